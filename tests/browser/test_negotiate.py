"""Chromium accepts our answers to its own offers, and takes them for what we mean."""

import itertools

import pytest

from classroom.sfu.negotiate import LocalTransport, answer_offer, parse_offer
from tests.running import chromium

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

LOCAL = LocalTransport(
    "ourufrag", "ourpassword" * 3, "sha-256 " + ":".join(["AB"] * 32), (("127.0.0.1", 9), ("::1", 9))
)
OFFER = """async what => {
  const pc = new RTCPeerConnection();
  window.pc = pc;
  const canvas = document.createElement("canvas");
  canvas.getContext("2d").fillRect(0, 0, 1, 1);
  for (const kind of what.kinds) {
    const track = kind === "audio"
      ? new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0]
      : canvas.captureStream(5).getVideoTracks()[0];
    const init = { direction: what.direction };
    if (kind === "video" && what.rids) init.sendEncodings = what.rids.map(rid => ({ rid }));
    pc.addTransceiver(what.direction === "recvonly" ? kind : track, init);
  }
  if (what.channel) pc.createDataChannel("x");
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}"""
ACCEPT = """async answer => {
  await pc.setRemoteDescription({ type: "answer", sdp: answer });
  const transceivers = pc.getTransceivers().map(t => {
    const codecs = t.sender.getParameters().codecs.map(codec => codec.mimeType.toLowerCase());
    const rids = t.sender.getParameters().encodings.filter(e => e.active && e.rid).map(e => e.rid);
    return [t.mid, t.currentDirection, codecs, rids];
  });
  return { state: pc.signalingState, transceivers };
}"""


@pytest.mark.parametrize(
    ("what", "publishing", "expected"),
    [
        pytest.param({"kinds": ["video", "video", "audio"], "direction": "sendonly"}, True, "sendonly", id="WHIP"),
        pytest.param({"kinds": ["video", "audio"], "direction": "sendrecv"}, True, "sendonly", id="WHIP sendrecv"),
        pytest.param({"kinds": ["video"], "direction": "sendonly", "rids": ["h", "m", "l"]}, True, "sendonly",
                     id="WHIP simulcast"),
        pytest.param({"kinds": ["audio"], "direction": "sendonly", "channel": True}, True, "sendonly",
                     id="WHIP with a data channel"),
        pytest.param({"kinds": ["video", "video", "audio"], "direction": "recvonly"}, False, "recvonly", id="WHEP"),
        pytest.param({"kinds": ["video", "audio"], "direction": "sendrecv"}, False, "recvonly", id="WHEP sendrecv"),
    ],
)  # fmt: skip
async def test_chromium_accepts_our_answer(what, publishing, expected):
    async with chromium() as browser:
        page = await browser.new_page()
        offer = parse_offer(await page.evaluate(OFFER, what))
        numbers = itertools.count(1000)
        made = answer_offer(offer, LOCAL, publishing=publishing, cname="sfu", random32=lambda: next(numbers))
        accepted = await page.evaluate(ACCEPT, made.answer)
    assert accepted["state"] == "stable"
    plans = {plan.mid: plan for plan in made.ups or made.slots}
    assert [mid for mid, _, _, _ in accepted["transceivers"]] == list(plans)
    for mid, direction, codecs, rids in accepted["transceivers"]:
        assert direction == expected
        if publishing:
            assert rids == list(plans[mid].rids) == (what.get("rids", []) if plans[mid].kind == "video" else [])
            assert codecs == (["video/h264", "video/rtx"] if plans[mid].kind == "video" else ["audio/opus"])
    assert len(plans) == len(what["kinds"])

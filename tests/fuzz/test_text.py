"""Arbitrary and almost right SDP: accepted, or the documented error."""

import contextlib
import itertools
from pathlib import Path

from aiortc.sdp import SessionDescription
from hypothesis import example, given, settings
from hypothesis import strategies as st

from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.negotiate import (
    BadFragment,
    BadOffer,
    LocalTransport,
    UnacceptableOffer,
    answer_offer,
    parse_fragment,
    parse_offer,
)

OFFERS = [path.read_bytes().decode() for path in sorted((Path(__file__).parents[1] / "data" / "offers").glob("*.sdp"))]
LOCAL = LocalTransport("u", "p", "sha-256 " + ":".join(["AB"] * 32), (("192.0.2.1", 8189),))
# The same examples in every run of the suite; a hunt for new ones raises max_examples and drops derandomize.
quick = settings(max_examples=200, deadline=None, derandomize=True)

ATTRIBUTES = [
    "mid", "label", "rtpmap", "fmtp", "rtcp-fb", "extmap", "ssrc", "ssrc-group", "rtcp-mux", "ice-ufrag", "fingerprint",
    "setup", "group", "sendonly", "recvonly", "rtcp-xr", "extmap-allow-mixed", "candidate",
]  # fmt: skip
values = st.text(max_size=30) | st.sampled_from(
    ["96 H264/90000", "96 H264/0", "111 opus/48000/2", "96 packetization-mode=1", "* nack", "15 urn:x", "FID 1 2", "0",
     "BUNDLE 0", "\u00b2", "-1", "9" * 5000, "97 apt=96", "1/x urn:x", "0\ra=injected"]
)  # fmt: skip
attributes = st.builds(lambda name, value: f"a={name}:{value}", st.sampled_from(ATTRIBUTES), values)
m_lines = st.builds(
    lambda kind, port, proto, formats: f"m={kind} {port} {proto} {formats}",
    st.sampled_from(["audio", "video", "application"]), st.sampled_from(["9", "0", "9/2", "\u0663", "x"]),
    st.sampled_from(["UDP/TLS/RTP/SAVPF", "RTP/AVP"]),
    st.sampled_from(["96", "96 97", "111", "\u00b2", "999999999999"]),
)  # fmt: skip


@st.composite
def damaged_offers(draw) -> str:
    """A real offer with some lines left out, put in, or out of place."""
    lines = draw(st.sampled_from(OFFERS)).splitlines()
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(1, len(lines)))
        what = draw(st.sampled_from(["insert", "delete", "move", "m-line", "cut"]))
        if what == "insert":
            lines.insert(at, draw(attributes))
        elif what == "m-line":
            lines.insert(at, draw(m_lines))
        elif at < len(lines):
            line = lines.pop(at)
            if what == "move":
                lines.insert(draw(st.integers(1, len(lines))), line)
            elif what == "cut":
                lines.insert(at, line[: draw(st.integers(0, len(line)))])
    return "\r\n".join(lines)


def negotiate(text: str) -> None:
    try:
        offer = parse_offer(text)
    except (BadOffer, UnacceptableOffer):
        return
    for publishing in (True, False):
        numbers = itertools.count(1)
        try:
            made = answer_offer(
                offer, LOCAL, publishing=publishing, cname="sfu", random32=lambda numbers=numbers: next(numbers)
            )  # fmt: skip
        except UnacceptableOffer:
            continue
        assert made.answer.count("\r\nm=") == len(offer.media)
        for plan in made.ups or made.slots:
            assert plan.clock_rate_hz in (48_000, 90_000)
        for slot in made.slots:  # what is promised can be made
            DownTrack(
                None, ssrc=slot.ssrc, pt=slot.pt, clock_rate_hz=slot.clock_rate_hz, rtx_ssrc=slot.rtx_ssrc,
                rtx_pt=slot.rtx_pt, capture_time_ext=slot.capture_time_ext, playout_delay_ext=slot.playout_delay_ext,
            )  # fmt: skip


@quick
@given(st.text(max_size=300) | st.text(max_size=300).map("v=0\r\n".__add__))
@example("v=0\r\nm=video \u00b2 UDP/TLS/RTP/SAVPF 96")
def test_text_that_is_no_offer(text):
    negotiate(text)


@quick
@given(st.lists(m_lines | attributes, max_size=20).map(lambda lines: "\r\n".join(["v=0", *lines])))
def test_lines_in_any_order(text):
    negotiate(text)


@quick
@given(damaged_offers())
def test_damaged_offers(text):
    negotiate(text)


@quick
@given(st.sampled_from(OFFERS), st.data())
def test_an_offer_of_which_lines_are_missing_gets_an_answer_that_others_can_read(text, data):
    lines = text.splitlines()
    gone = data.draw(st.sets(st.integers(5, len(lines) - 1), max_size=10))
    kept = [line for n, line in enumerate(lines) if n not in gone or line.startswith("m=")]
    with contextlib.suppress(BadOffer, UnacceptableOffer):
        offer = parse_offer("\r\n".join(kept))
        made = answer_offer(offer, LOCAL, publishing=True, cname="sfu", random32=lambda: 1)
        SessionDescription.parse(made.answer)


@quick
@given(st.text(max_size=200) | st.lists(attributes, max_size=8).map("\r\n".join))
def test_fragments(text):
    try:
        fragment = parse_fragment(text)
    except BadFragment:
        return
    assert (fragment.ufrag is None) == (fragment.pwd is None) and fragment.candidates >= 0

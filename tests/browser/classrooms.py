"""A lesson that is due, its teacher signed in, and linked classrooms: Chromiums that send a camera and a tone."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession
from sqlalchemy import insert

from classroom.catalogue.accounts.credentials import hash_of, new_credential
from classroom.catalogue.accounts.schema import accounts, devices
from classroom.catalogue.accounts.sessions import Sessions
from classroom.catalogue.database import Database, database_url
from tests.running import LESSON, Server, noon_somewhere, serving
from tests.unit.web.school_day import HAMLET, TEACHER, VILLAGE, fill_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, BrowserContext, Page

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

# One PeerConnection each way; the labels of its m-lines are said in the offer that is sent.
_CONNECT = """async (door, token, labels, add) => {
  const pc = new RTCPeerConnection();
  add(pc);
  await pc.setLocalDescription();
  let n = 0;
  const body = pc.localDescription.sdp.replace(/a=mid:.*\\r\\n/g, line => line + `a=label:${labels[n++]}\\r\\n`);
  const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` };
  const response = await fetch(door, { method: "POST", body, headers });
  if (!response.ok) throw new Error(await response.text());
  await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
  return pc;
}"""
# Which colour each new picture of a video has, with the time at which it was shown, and how wide it is; and when a
# sound was heard. Of a picture four pixels are read as they were decoded: to draw it would take more of a busy computer
# than to show it.
NOTING = """
window.shown = []; window.loud = [];
const rect = { x: 16, y: 16, width: 2, height: 2 };
const colourOf = async frame => {
  const bytes = new Uint8Array(frame.allocationSize({ rect }));
  const [luma, blue, red] = await frame.copyTo(bytes, { rect });
  frame.close();
  const [y, u, v] = [luma, blue, red ?? { offset: blue.offset + 1 }].map(({ offset }) => bytes[offset]);
  const r = 1.16 * (y - 16) + 1.6 * (v - 128), g = 1.16 * (y - 16) - 0.39 * (u - 128) - 0.81 * (v - 128);
  return r > 100 && g < 80 ? "red" : g > r + 40 ? "green" : "other";
};
window.note = element => {
  const look = async (now, { width }) => {
    element.requestVideoFrameCallback(look);
    try {
      const colour = await colourOf(new VideoFrame(element));
      window.shown.push([performance.timeOrigin + now, colour, width]);
    } catch (error) {
      // A busy Chromium may have let go of a picture by the time its callback runs: the next one is looked at.
      if (error.name !== "InvalidStateError") throw error;
    }
  };
  element.requestVideoFrameCallback(look);
};
// `current` gives the track: where a media session has ended, the next one brings another.
window.listen = current => {
  const audio = new AudioContext(), analyser = audio.createAnalyser();
  const samples = new Float32Array(analyser.fftSize);  // 43 ms: nothing is missed while the page has something to do
  let heard = null, source = null, was = false;
  setInterval(() => {
    const track = current();
    if (track !== heard) {
      source?.disconnect();
      source = track && audio.createMediaStreamSource(new MediaStream([track]));
      source?.connect(analyser);
      heard = track;
    }
    analyser.getFloatTimeDomainData(samples);
    const is = Math.max(...samples) > 0.02;
    if (is !== was) window.loud.push([performance.timeOrigin + performance.now(), is]);
    was = is;
  }, 4);
};
"""
_CAMERA = """async () => (await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 } }))
  .getVideoTracks()[0]"""
_RED = """async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [640, 360];
  const context = canvas.getContext("2d");
  let n = 0;
  setInterval(() => {
    context.fillStyle = "rgb(200,0,0)";
    context.fillRect(0, 0, 640, 360);
    context.fillStyle = "white";
    context.fillRect((n++ * 7) % 600, 300, 40, 40);
  }, 40);
  return canvas.captureStream(25).getVideoTracks()[0];
}"""
_SEND = f"""async ([lesson, token, red]) => {{
  const audio = new AudioContext();
  const tone = audio.createOscillator(), out = audio.createMediaStreamDestination();
  tone.connect(out);
  tone.start();
  const camera = await (red ? {_RED} : {_CAMERA})();
  window.sending = await ({_CONNECT})(`/whip/${{lesson}}`, token, ["camera", "mic"], pc => {{
    pc.addTransceiver(camera, {{ direction: "sendonly", sendEncodings: [{{ maxBitrate: 800_000 }}] }});
    pc.addTransceiver(out.stream.getAudioTracks()[0], {{ direction: "sendonly" }});
  }});
}}"""
_RECEIVE = f"""async ([lesson, token]) => {{
  window.receiving = await ({_CONNECT})(`/whep/${{lesson}}`, token, ["programme", "speaker"], pc => {{
    const video = document.body.appendChild(document.createElement("video"));
    video.muted = video.autoplay = true;
    const picture = pc.addTransceiver("video", {{ direction: "recvonly" }}).receiver.track;
    const sound = pc.addTransceiver("audio", {{ direction: "recvonly" }}).receiver.track;
    const audio = document.body.appendChild(document.createElement("audio"));
    audio.autoplay = true;
    video.srcObject = new MediaStream([picture]);
    audio.srcObject = new MediaStream([sound]);
    window.note(video);
    window.listen(() => sound);
  }});
}}"""
_CONTROL = """([lesson, token]) => new Promise(resolve => {
  const socket = window.control = new WebSocket(`ws://${location.host}/ws/${lesson}`);
  window.told = [];
  socket.onopen = () => socket.send(JSON.stringify({ type: "hello", token, name: "" }));
  socket.onmessage = ({ data }) => { const message = JSON.parse(data); window.told.push(message); resolve(); };
  setInterval(() => socket.send('{"type":"ping"}'), 5000);
})"""


@dataclass
class Classroom:
    """A linked classroom in a Chromium of its own, as the device that it is."""

    id: str
    page: Page

    async def say(self, **message: Any) -> None:
        """A message on its control connection."""
        await self.page.evaluate("message => window.control.send(JSON.stringify(message))", message)

    async def until_told(self, kind: str) -> dict[str, Any]:
        """The first message of this type that it got."""
        found = "kind => window.told.find(message => message.type === kind)"
        handle = await self.page.wait_for_function(found, arg=kind, timeout=30_000)
        return dict(await handle.json_value())


@dataclass
class Teaching:
    """A server whose lesson of the moment is due, and the cookies of those who belong to it."""

    server: Server
    session: str
    credentials: dict[int, tuple[str, str]]  # id and credential of the terminal, by classroom

    async def teacher(self, browser: Browser, **options: Any) -> BrowserContext:
        """A browser in which the teacher has signed in."""
        context = await browser.new_context(**options)
        await context.add_cookies([{"name": "session", "value": self.session, "url": self.server.url}])
        return context

    async def classroom(self, browser: Browser, room: int) -> Classroom:
        """A linked classroom that is in the lesson, sends and receives."""
        device, credential = self.credentials[room]
        token = await self._token(credential)
        page = await self._page(browser)
        await page.evaluate(_CONTROL, [LESSON, token])
        await page.evaluate(_SEND, [LESSON, token, False])
        await page.evaluate(_RECEIVE, [LESSON, token])
        return Classroom(device, page)

    async def main_camera(self, browser: Browser) -> Page:
        """A red picture and a tone from the main classroom."""
        page = await self._page(browser)
        await page.evaluate(_SEND, [LESSON, await self.server.token("capture"), True])
        return page

    async def _page(self, browser: Browser) -> Page:
        page = await (await browser.new_context()).new_page()
        await page.add_init_script(NOTING)
        await page.goto(f"{self.server.url}/healthz")
        return page

    async def _token(self, credential: str) -> str:
        async with ClientSession(self.server.url, headers={"Cookie": f"device={credential}"}) as http:
            async with http.get("/api/session") as response:
                csrf = (await response.json())["device"]["csrf"]
            async with http.post(f"/api/lessons/{LESSON}/token", headers={"X-CSRF": csrf}) as response:
                assert response.ok, await response.text()
                return str((await response.json())["token"])


@contextlib.asynccontextmanager
async def teaching(folder: Path, starts_in_s: float = -30) -> AsyncIterator[Teaching]:
    """A region on disk with one lesson, a teacher with a session, two paired terminals; and the server over it."""
    state = folder / ".state"
    state.mkdir(parents=True)
    database, now = Database(database_url(None, state)), datetime.now(UTC)
    credentials = {room: (new_credential()[:16], new_credential()) for room in (VILLAGE, HAMLET)}
    try:
        await fill_database(database, starts_in_s, on_date=now.date())
        teacher = {"login": "lihongmei", "name": "李红梅", "role": "teacher", "person_id": TEACHER, "school_id": 1}
        known = [
            {"id": device, "credential_hash": hash_of(credential), "classroom_id": room, "name": "大屏幕"}
            for room, (device, credential) in credentials.items()
        ]
        async with database.writing() as connection:
            values = {**teacher, "must_change": False, "disabled": False, "created_at": now}
            account_id = await connection.scalar(insert(accounts).values(**values).returning(accounts.c.id))
            await connection.execute(
                insert(devices), [{**device, "kind": "terminal", "paired_at": now} for device in known]
            )
        session = await Sessions(database).begin(account_id, "127.0.0.1", now)
    finally:
        await database.close()
    async with serving(folder, CLASSROOM_TIMEZONE=noon_somewhere(now)) as server:
        yield Teaching(server, session, credentials)

"""Many linked classrooms in one Chromium: each in the lesson by its own device, a drawn class before its camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.running import LESSON

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.browser.wide_district import Place

# Two rows of children who move a little, in front of a wall of their own colour.
_DRAW = """(canvas, room) => {
  const context = canvas.getContext("2d"), { width, height } = canvas, hue = room * 47;
  const disc = (x, y, r, colour) => {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(x, y, r, 0, 7);
    context.fill();
  };
  const child = (x, y, size, n) => {
    context.fillStyle = `hsl(${(hue + n * 53) % 360} 45% 48%)`;
    context.beginPath();
    context.roundRect(x - size, y + size * 0.8, size * 2, size * 2.4, size);
    context.fill();
    disc(x, y, size, "#ecc9a6");
    context.fillStyle = "#2a201c";
    context.beginPath();
    context.arc(x, y - size * 0.15, size, Math.PI, 2 * Math.PI);
    context.fill();
  };
  let time = 0;
  const draw = () => {
    time += 0.2;
    context.fillStyle = `hsl(${hue % 360} 22% 72%)`;
    context.fillRect(0, 0, width, height);
    context.fillStyle = `hsl(${hue % 360} 18% 45%)`;
    context.fillRect(0, height * 0.78, width, height);
    context.fillStyle = "#2d4c41";
    context.fillRect(width * 0.28, height * 0.08, width * 0.44, height * 0.26);
    for (const [row, y, size] of [[0, 0.46, 0.042], [1, 0.6, 0.054]]) {
      for (let n = 0; n < 6 - row; n++) {
        const nod = Math.sin(time + n * 2 + row) * height * 0.008;
        child(width * (n + 0.8 + row * 0.4) / 6.6, height * y + nod, width * size, n + row * 6);
      }
    }
  };
  draw();
  setInterval(draw, 200);
}"""
_ENTER = f"""async ([lesson, room, token]) => {{
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [480, 270];
  ({_DRAW})(canvas, room);
  const picture = canvas.captureStream(5).getVideoTracks()[0];
  const audio = new AudioContext(), tone = audio.createOscillator(), out = audio.createMediaStreamDestination();
  tone.connect(out);
  tone.start();
  const connect = async (door, tracks, direction, labels) => {{
    const pc = new RTCPeerConnection();
    for (const track of tracks) pc.addTransceiver(track, {{ direction }});
    await pc.setLocalDescription();
    const label = line => line + `a=label:${{labels.shift()}}\\r\\n`;
    const body = pc.localDescription.sdp.replace(/a=mid:.*\\r\\n/g, label);
    const headers = {{ "Content-Type": "application/sdp", Authorization: `Bearer ${{token}}` }};
    const answer = await fetch(`/${{door}}/${{lesson}}`, {{ method: "POST", body, headers }});
    await pc.setRemoteDescription({{ type: "answer", sdp: await answer.text() }});
    return pc;
  }};
  const ways = [
    await connect("whip", [picture, out.stream.getAudioTracks()[0]], "sendonly", ["camera", "mic"]),
    await connect("whep", ["audio"], "recvonly", ["mic"]),
  ];
  const socket = new WebSocket(`ws://${{location.host}}/ws/${{lesson}}`);
  window.rooms = {{ ...window.rooms, [room]: {{ ways, socket }} }};
  await new Promise(resolve => {{
    socket.onmessage = resolve;
    socket.onopen = () => socket.send(JSON.stringify({{ type: "hello", token, name: "" }}));
  }});
  const report = {{ type: "report", children: 10 + 3 * room, camera: true, microphone: true, sending: true }};
  socket.send(JSON.stringify(report));
  setInterval(() => socket.send('{{"type":"ping"}}'), 5000);
}}"""


class LinkedRooms:
    """Classrooms of the lesson, by the number of their room."""

    def __init__(self, place: Place, page: Page) -> None:
        self._place = place
        self._page = page

    @classmethod
    async def opened(cls, place: Place, browser: Browser) -> LinkedRooms:
        """None is in the lesson yet."""
        page = await browser.new_page()
        await page.goto(f"{place.server.url}/healthz")
        return cls(place, page)

    async def enter(self, room: int) -> str:
        """Bring one into the lesson; its id there."""
        await self._page.evaluate(_ENTER, [LESSON, room, await self._place.token(LESSON, room=room)])
        return self._place.credentials[room][0]

    async def say(self, room: int, **message: Any) -> None:
        """A message on its control connection."""
        await self._page.evaluate(
            "([room, message]) => window.rooms[room].socket.send(JSON.stringify(message))", [room, message]
        )

    async def leave(self, room: int) -> None:
        """As one whose plug was pulled."""
        await self._page.evaluate("room => [...rooms[room].ways, rooms[room].socket].forEach(way => way.close())", room)

// Publishes as OBS does: libdatachannel, an offer without candidates, no header extensions.
// usage: node publish.mjs <url> <token>; packets come on stdin, each behind two bytes with its length.
import datachannel from "node-datachannel";

const [, , url, token] = process.argv;
const pc = new datachannel.PeerConnection("publisher", { iceServers: [] });
const audio = new datachannel.Audio("0", "SendOnly");
audio.addOpusCodec(111);
audio.addSSRC(1111, "publisher", "lesson", "lesson-audio");
const video = new datachannel.Video("1", "SendOnly");
video.addH264Codec(96);
video.addSSRC(2222, "publisher", "lesson", "lesson-video");
const tracks = new Map([[111, pc.addTrack(audio)], [96, pc.addTrack(video)]]);

const offer = new Promise(resolve => pc.onLocalDescription(resolve));
pc.setLocalDescription();
const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` };
const response = await fetch(url, { method: "POST", body: await offer, headers });
if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
const opened = [...tracks.values()].map(track => new Promise(resolve => track.onOpen(resolve)));
pc.setRemoteDescription(await response.text(), "answer");
await Promise.all(opened);

let pending = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  pending = Buffer.concat([pending, chunk]);
  while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE()) {
    const packet = pending.subarray(2, 2 + pending.readUInt16BE());
    tracks.get(packet[1] & 127).sendMessageBinary(packet);
    pending = pending.subarray(2 + packet.length);
  }
}
await fetch(new URL(response.headers.get("location"), url), { method: "DELETE", headers });
pc.close();
datachannel.cleanup();

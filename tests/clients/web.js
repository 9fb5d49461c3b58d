// WHIP and WHEP clients of others, each under the same three verbs.
import { WebRTCPlayer } from "@eyevinn/webrtc-player";
import { WHIPClient as EyevinnPublisher } from "@eyevinn/whip-web-client";
import { WHEPClient as MedoozeViewer } from "whip-whep/whep.js";
import { WHIPClient as MedoozePublisher } from "whip-whep/whip.js";

/** A picture that moves, and a tone. */
function lessonStream() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
  const context = canvas.getContext("2d");
  let frame = 0;
  setInterval(() => {
    context.fillStyle = "rgb(230 0 0)";
    context.fillRect(0, 0, 320, 240);
    context.fillStyle = "white";
    context.fillRect(frame++ % 320, 0, 20, 20);
  }, 40);
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const output = audio.createMediaStreamDestination();
  tone.connect(output);
  tone.start();
  return new MediaStream([...canvas.captureStream(25).getVideoTracks(), ...output.stream.getAudioTracks()]);
}

const medooze = {
  async publish(url, token) {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    for (const track of lessonStream().getTracks()) pc.addTransceiver(track, { direction: "sendonly" });
    this.publisher = new MedoozePublisher();
    await this.publisher.publish(pc, url, token);
  },
  async view(url, token, video) {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    pc.ontrack = ({ track }) => (video.srcObject ??= new MediaStream()).addTrack(track);
    for (const kind of ["audio", "video"]) pc.addTransceiver(kind, { direction: "recvonly" });
    this.viewer = new MedoozeViewer();
    await this.viewer.view(pc, url, token);
  },
  // Its restart() glues candidates together with commas (whip.js 1.2.0), so it works with servers of one address only.
  async stop() {
    await this.viewer.stop();
    await this.publisher.stop();
  },
};

const eyevinn = {
  async publish(url, token) {
    this.publisher = new EyevinnPublisher({ endpoint: url, opts: { authkey: token, iceServers: [] } });
    await this.publisher.ingest(lessonStream());
  },
  async view(url, token, video) {
    this.viewer = new WebRTCPlayer({ video, type: "whep", iceServers: [] });
    await this.viewer.load(new URL(url), `Bearer ${token}`);
  },
  async stop() {
    await this.viewer.unload();
    await this.publisher.destroy();
  },
};

window.clients = { medooze, eyevinn };

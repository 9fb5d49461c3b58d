/** One WHIP session: one PeerConnection that sends this classroom's camera and microphone (docs/protocol.md §3). */

import { MediaSession } from "./media_session";
import { ourCodecs } from "./whep_session";

/** Best first: what a wall shows is the last, what is called on takes what its receivers' links carry. */
const LAYERS: RTCRtpEncodingParameters[] = [
  { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 900_000 },
  { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 300_000 },
  { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 90_000 },
];
const VOICE_BPS = 32_000;

export class WhipSession extends MediaSession {
  readonly #senders: RTCRtpSender[] = [];

  /**
   * Send these tracks, a camera in three layers; resolves when the server has answered.
   *
   * Throws Problem (status 0 when the server cannot be reached).
   */
  async open(tracks: readonly MediaStreamTrack[]): Promise<void> {
    for (const track of tracks) {
      const kind = track.kind === "video" ? "video" : "audio";
      const sendEncodings =
        kind === "video" ? LAYERS : [{ maxBitrate: VOICE_BPS, networkPriority: "high" as const }];
      const transceiver = this.pc.addTransceiver(track, { direction: "sendonly", sendEncodings });
      const codecs = ourCodecs(RTCRtpSender.getCapabilities(kind), kind);
      if (codecs.length > 0) transceiver.setCodecPreferences(codecs);
      this.#senders.push(transceiver.sender);
    }
    await this.negotiate(tracks.map((track) => (track.kind === "video" ? "camera" : "mic")));
  }

  /** How often the other end has reported what it got: a number that stands still is a path that is gone. */
  async reports(): Promise<number> {
    let reports = 0;
    (await this.pc.getStats()).forEach((entry: Record<string, unknown>) => {
      const measured = entry["roundTripTimeMeasurements"];
      if (entry["type"] === "remote-inbound-rtp" && typeof measured === "number") reports += measured;
    });
    return reports;
  }

  /** Another camera or microphone in the same place: one was pulled out and put in again. */
  async replace(track: MediaStreamTrack): Promise<void> {
    await this.#senders.find((sender) => sender.track?.kind === track.kind)?.replaceTrack(track);
  }
}

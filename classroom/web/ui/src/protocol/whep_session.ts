/** One WHEP session: one PeerConnection that receives a lesson into fixed slots (docs/protocol.md §3). */

import type { Label, TrackKind } from "./messages.gen";
import { Problem, problemOf } from "./problem";
import { sampleReport, type ReceiveSample } from "./receive_stats";
import { iceCredentials, withIceCredentials, withLabels, withOpusNack } from "./sdp";

/** A place on the screen or loudspeaker of this page. */
export interface Slot {
  label: Label;
  kind: TrackKind;
}

export interface WhepTarget {
  /** Where to POST, with `?participant=`. */
  url: string;
  token: string;
}

const DEADLINE_MS = 4_000;

export class WhepSession {
  readonly tracks = new Map<Label, MediaStreamTrack>();
  readonly #pc: RTCPeerConnection;
  readonly #target: WhepTarget;
  readonly #slots: readonly Slot[];
  readonly #labels = new Map<string, Label>();
  readonly #abort = new AbortController();
  #resource: string | null = null;

  constructor(target: WhepTarget, slots: readonly Slot[]) {
    this.#target = target;
    this.#slots = slots;
    // The server is ICE-lite with host candidates: it is reached directly or not at all, so no STUN, no TURN.
    this.#pc = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
  }

  get connectionState(): RTCPeerConnectionState {
    return this.#pc.connectionState;
  }

  /** What the server calls this session; null before it has answered. */
  get id(): string | null {
    return this.#resource?.split("/").at(-1) ?? null;
  }

  set onconnectionstatechange(listener: () => void) {
    this.#pc.onconnectionstatechange = listener;
  }

  /**
   * Offer, POST, apply the answer; media flow some round trips later.
   *
   * Throws Problem (status 0 when the server cannot be reached).
   */
  async open(): Promise<void> {
    for (const slot of this.#slots) {
      const transceiver = this.#pc.addTransceiver(slot.kind, { direction: "recvonly" });
      preferOurCodecs(transceiver, slot.kind);
      // The sender decides how long to hold a picture back (playout-delay), not a guess of this browser.
      transceiver.receiver.jitterBufferTarget = 0;
      this.tracks.set(slot.label, transceiver.receiver.track);
    }
    const offer = await this.#pc.createOffer();
    const sdp = withOpusNack(offer.sdp ?? "");
    await this.#pc.setLocalDescription({ type: "offer", sdp });
    this.#pc.getTransceivers().forEach((transceiver, i) => {
      const slot = this.#slots[i];
      if (transceiver.mid !== null && slot !== undefined) this.#labels.set(transceiver.mid, slot.label);
    });
    // Posted without waiting for candidates: an ICE-lite server learns our address from our first check.
    const labels = this.#slots.map((slot) => slot.label);
    const response = await this.#ask("POST", this.#target.url, "application/sdp", withLabels(sdp, labels));
    const location = response.headers.get("Location");
    if (location !== null) this.#resource = new URL(location, response.url).href;
    await this.#pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
  }

  /**
   * Look for a path again, on every network and over TCP, too, in the same session (ICE restart, RFC 9725 §4.3.2).
   *
   * Throws Problem when the server does not know the session any more, or cannot be reached.
   */
  async restart(): Promise<void> {
    const answer = this.#pc.remoteDescription;
    if (this.#resource === null || answer === null) return;
    const offer = await this.#pc.createOffer({ iceRestart: true });
    await this.#pc.setLocalDescription({ type: "offer", sdp: withOpusNack(offer.sdp ?? "") });
    const credentials = iceCredentials(offer.sdp ?? "");
    const fragment = "application/trickle-ice-sdpfrag";
    const response = await this.#ask("PATCH", this.#resource, fragment, credentials, { "If-Match": "*" });
    const sdp = withIceCredentials(answer.sdp, await response.text());
    await this.#pc.setRemoteDescription({ type: "answer", sdp });
  }

  async #ask(
    method: "POST" | "PATCH",
    url: string,
    type: string,
    body: string,
    more: Record<string, string> = {},
  ): Promise<Response> {
    const deadline = setTimeout(() => this.#abort.abort(), DEADLINE_MS);
    const headers = { "Content-Type": type, Authorization: `Bearer ${this.#target.token}`, ...more };
    try {
      const response = await fetch(url, { method, headers, body, signal: this.#abort.signal });
      if (!response.ok) throw await problemOf(response);
      return response;
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw new Problem(0, "unreachable", error instanceof Error ? error.message : "");
    } finally {
      clearTimeout(deadline);
    }
  }

  async sample(now_ms: number): Promise<ReceiveSample> {
    return sampleReport(await this.#pc.getStats(), this.#labels, now_ms);
  }

  /** End the session here and, unless the server has (`ended`), as well as it can be done there. */
  close(ended = false): void {
    this.#abort.abort();
    this.#pc.onconnectionstatechange = null;
    this.#pc.close();
    if (ended || this.#resource === null) return;
    const headers = { Authorization: `Bearer ${this.#target.token}` };
    // The server forgets a silent session by itself: nobody waits for this, and it may fail.
    void fetch(this.#resource, { method: "DELETE", headers, keepalive: true }).catch(() => undefined);
    this.#resource = null;
  }
}

/** H.264 (with retransmission) and Opus only: what the lesson is made of. */
function preferOurCodecs(transceiver: RTCRtpTransceiver, kind: TrackKind): void {
  const wanted = kind === "video" ? /^video\/(h264|rtx)$/i : /^audio\/opus$/i;
  const codecs = RTCRtpReceiver.getCapabilities(kind)?.codecs.filter(
    (codec) =>
      wanted.test(codec.mimeType) &&
      (!/h264/i.test(codec.mimeType) || /packetization-mode=1/.test(codec.sdpFmtpLine ?? "")),
  );
  const playable = codecs?.some((codec) => !/rtx/i.test(codec.mimeType));
  // A browser without H.264 offers what it has; the server then says in words what is wrong (422).
  if (codecs !== undefined && playable === true) transceiver.setCodecPreferences(codecs);
}

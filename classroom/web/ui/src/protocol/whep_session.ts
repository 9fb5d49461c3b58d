/** One WHEP session: one PeerConnection that receives a lesson into fixed slots (docs/protocol.md §3). */

import { MediaSession, type MediaTarget } from "./media_session";
import type { PublicationView, TrackKind } from "./messages.gen";
import { sampleReport, type ReceiveSample } from "./receive_stats";

/** A place on the screen or loudspeaker of this page: `label` is its wish, `name` what the page calls it. */
export interface Slot {
  label: string;
  kind: TrackKind;
  /** Where several have the same label. */
  name?: string;
}

export type SlotTracks = ReadonlyMap<string, MediaStreamTrack>;

const TILE = "tile.";

/** A slot that shows a publication by its name, as small as it comes. */
export function tileOf(publication: string): Slot {
  return { label: TILE + publication, kind: "video" };
}

/** Whether a slot has something to show when this is published: then silence is a fault. */
export function isFilledBy(slot: Slot, publication: PublicationView): boolean {
  if (slot.kind !== publication.kind) return false;
  if (slot.label.startsWith(TILE)) return slot.label === TILE + publication.name;
  // The main publication of a label is called like it: our own microphone fills no slot of ours.
  if (publication.name !== publication.label) return false;
  return slot.label === "programme" || slot.label === publication.label;
}

export class WhepSession extends MediaSession {
  readonly tracks = new Map<string, MediaStreamTrack>();
  readonly #slots: readonly Slot[];
  readonly #names = new Map<string, string>();

  constructor(target: MediaTarget, slots: readonly Slot[]) {
    super(target);
    this.#slots = slots;
  }

  /**
   * Offer a place for every slot; media flow some round trips later.
   *
   * Throws Problem (status 0 when the server cannot be reached).
   */
  async open(): Promise<void> {
    const transceivers = this.#slots.map((slot) => {
      const transceiver = this.pc.addTransceiver(slot.kind, { direction: "recvonly" });
      preferOurCodecs(transceiver, slot.kind);
      // The sender decides how long to hold a picture back (playout-delay), not a guess of this browser.
      transceiver.receiver.jitterBufferTarget = 0;
      this.tracks.set(nameOf(slot), transceiver.receiver.track);
      return transceiver;
    });
    await this.negotiate(this.#slots.map((slot) => slot.label));
    this.#slots.forEach((slot, i) => {
      const mid = transceivers[i]?.mid;
      if (mid != null) this.#names.set(mid, nameOf(slot));
    });
  }

  async sample(now_ms: number): Promise<ReceiveSample> {
    return sampleReport(await this.pc.getStats(), this.#names, now_ms);
  }
}

function nameOf(slot: Slot): string {
  return slot.name ?? slot.label;
}

/** H.264 (with retransmission) and Opus only: what the lesson is made of. */
function preferOurCodecs(transceiver: RTCRtpTransceiver, kind: TrackKind): void {
  const codecs = ourCodecs(RTCRtpReceiver.getCapabilities(kind), kind);
  const playable = codecs.some((codec) => !/rtx/i.test(codec.mimeType));
  // A browser without H.264 offers what it has; the server then says in words what is wrong (422).
  if (playable) transceiver.setCodecPreferences(codecs);
}

/** Of what a browser can do, what the lesson is made of. */
export function ourCodecs(capabilities: RTCRtpCapabilities | null, kind: TrackKind): RTCRtpCodec[] {
  const wanted = kind === "video" ? /^video\/(h264|rtx)$/i : /^audio\/opus$/i;
  return (capabilities?.codecs ?? []).filter(
    (codec) =>
      wanted.test(codec.mimeType) &&
      (!/h264/i.test(codec.mimeType) || /packetization-mode=1/.test(codec.sdpFmtpLine ?? "")),
  );
}

/** What a weak link leaves of the lesson, in the words that the classroom is told. Pure. */

import type { LinkView } from "../protocol/messages.gen";
import type { ReceiveStats } from "../protocol/receive_stats";

/**
 * `full`: everything. `unsteady`: everything, with gaps. `smaller`: a picture with less detail. `voice`: pictures are
 * paused so that the voice comes through.
 */
export type Rung = "full" | "unsteady" | "smaller" | "voice";

/** What the server says of a link that carries less; it alone knows whether the sender or the link is the reason. */
const BY_CAUSE: Record<string, Rung> = {
  no_picture: "voice",
  smaller_picture: "smaller",
  loss: "unsteady",
  queue: "unsteady",
};
const UNSTEADY_LOSS = 0.1;

/** The rung at this moment, from the server's word on this link and from our own counters. */
export function rungOf(link: LinkView | null, stats: ReceiveStats | null, teacherSends: boolean): Rung {
  if (link !== null && link.word !== "good") {
    const rung = BY_CAUSE[link.cause];
    if (rung === "voice" || rung === "smaller") return rung;
    if (rung !== undefined && link.word === "poor") return rung;
  }
  if (stats === null) return "full";
  const of = (label: string) => stats.slots.find((slot) => slot.label === label);
  const camera = of("camera");
  const sound = of("mic");
  const voiceAlone = camera?.fps === 0 && camera.bitrate_bps === 0 && (sound?.bitrate_bps ?? 0) > 0;
  if (teacherSends && voiceAlone) return "voice";
  return stats.loss > UNSTEADY_LOSS ? "unsteady" : "full";
}

const ORDER: readonly Rung[] = ["full", "unsteady", "smaller", "voice"];
const WORSE_AFTER_MS = 2_000;
const BETTER_AFTER_MS = 6_000;

/** What is shown: changes only when the link has been otherwise for a while, sooner to worse than to better. */
export interface ShownRung {
  rung: Rung;
  /** Since when the link has been otherwise; null while it is as shown. */
  otherwiseSince_ms: number | null;
}

export const FULL: ShownRung = { rung: "full", otherwiseSince_ms: null };

export function follow(shown: ShownRung, now: Rung, now_ms: number): ShownRung {
  if (now === shown.rung) return { rung: shown.rung, otherwiseSince_ms: null };
  const since_ms = shown.otherwiseSince_ms ?? now_ms;
  const patience_ms = ORDER.indexOf(now) > ORDER.indexOf(shown.rung) ? WORSE_AFTER_MS : BETTER_AFTER_MS;
  return now_ms - since_ms >= patience_ms
    ? { rung: now, otherwiseSince_ms: null }
    : { rung: shown.rung, otherwiseSince_ms: since_ms };
}

/** What comes from the main classroom, as the teacher must know it. Pure. */

import type { Label, LessonState, PublicationView } from "../protocol/messages.gen";

export type SourceState = "ok" | "stopped" | "missing" | "waiting" | "optional";

export interface Source {
  label: Label;
  state: SourceState;
}

const EXPECTED: readonly Label[] = ["camera", "slides", "mic"];

/** After the start the capture agent needs a moment; only then is a missing source a fault. */
const GRACE_S = 6;

/** The state of every source: the three that a lesson has, and a shared screen when there is one. */
export function sourcesOf(lesson: LessonState, liveFor_s: number, publications: PublicationView[]): Source[] {
  const labels = publications.some((p) => p.label === "screen") ? [...EXPECTED, "screen" as const] : EXPECTED;
  return labels.map((label) => {
    const own = publications.filter((p) => p.label === label);
    if (own.some((p) => p.live)) return { label, state: "ok" };
    if (lesson !== "live" || (own.length === 0 && liveFor_s < GRACE_S)) return { label, state: "waiting" };
    if (own.length > 0) return { label, state: "stopped" };
    // Some lessons have no slides; none has no teacher.
    return { label, state: label === "slides" ? "optional" : "missing" };
  });
}

/** Nothing at all arrives: not a wire but the capture agent itself. */
export function captureIsGone(sources: Source[]): boolean {
  return sources.every((source) => source.state !== "ok" && source.state !== "waiting");
}

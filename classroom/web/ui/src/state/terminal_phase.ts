/** Which of its faces the terminal shows. Pure. */

import type { ControlStatus } from "../protocol/control";
import type { LessonState } from "../protocol/messages.gen";
import type { ReceiveStatus } from "../protocol/whep";

export type TerminalPhase =
  "refused" | "connecting" | "waiting" | "media_pending" | "live" | "reconnecting" | "ended";

export interface TerminalFacts {
  control: ControlStatus;
  /** Last known; null before the first snapshot. */
  lesson: LessonState | null;
  media: ReceiveStatus;
  /** A picture of this lesson is on the screen, moving or not. */
  hasPicture: boolean;
  /** Somebody sends, or did until a moment ago. */
  anyLive: boolean;
  /** How long the lesson has been `planned` although we saw it live. */
  plannedAgainFor_s: number;
}

/** A server that was started again knows the lesson only as planned until the teacher's side is back. */
const PLANNED_AGAIN_S = 15;

export function terminalPhase(facts: TerminalFacts): TerminalPhase {
  if (facts.control === "refused" && !facts.hasPicture) return "refused";
  if (facts.lesson === null) return "connecting";
  if (facts.lesson === "ended") return "ended";
  if (facts.lesson === "planned") {
    return facts.hasPicture && facts.plannedAgainFor_s < PLANNED_AGAIN_S ? "reconnecting" : "waiting";
  }
  if (facts.media === "receiving" && facts.hasPicture) return "live";
  if (!facts.hasPicture) return facts.control === "connected" ? "media_pending" : "connecting";
  // The server is there and the teacher's side is not: not our link's fault, and the words say so.
  if (facts.control === "connected" && !facts.anyLive) return "media_pending";
  return "reconnecting";
}

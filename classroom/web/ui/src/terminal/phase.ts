/** Which of its faces the terminal shows: the kiosk states of a classroom display, from unpaired to over. Pure. */

import type { ControlStatus } from "../protocol/control";
import type { Agenda } from "../protocol/device_messages.gen";
import type { LessonState } from "../protocol/messages.gen";
import type { ReceiveStatus } from "../protocol/whep";

/**
 * `joining` is the first seconds of `live`, before there is a picture. `called` and `weak` are `live` with something to
 * say; the weaker link is told while one is called on, too, but the frame is what the class must see.
 */
export type TerminalPhase =
  | "unpaired"
  | "idle"
  | "standby"
  | "joining"
  | "live"
  | "called"
  | "weak"
  | "reconnecting"
  | "over"
  | "offline";

/** How this terminal stands with its server; `refused`: the address it was opened with is not valid. */
export type StationStatus = "unpaired" | "connecting" | "connected" | "lost" | "refused";

export interface TerminalFacts {
  station: StationStatus;
  /** How long the server has been out of reach, in seconds. */
  lostFor_s: number;
  /** What is due as last told; null before the server has. */
  agenda: Agenda["phase"] | null;
  /** The control connection of the lesson; null while none is wanted. */
  control: ControlStatus | null;
  /** Last known; null before the first snapshot. */
  lesson: LessonState | null;
  media: ReceiveStatus;
  /** A picture of this lesson is on the screen, moving or not. */
  hasPicture: boolean;
  /** The main classroom sends, or did until a moment ago. */
  anyLive: boolean;
  /** The teacher has asked this classroom to speak. */
  called: boolean;
  /** The link carries less than the whole lesson. */
  weak: boolean;
  /** How long the lesson has been `planned` although we saw it live. */
  plannedAgainFor_s: number;
}

/** A server that was started again may know the lesson only as planned until the teacher's side is back. */
const PLANNED_AGAIN_S = 15;
/** A restart of the server is over by then and no reason to speak of. */
const OFFLINE_S = 5;
/** How long goodbye is said when nobody tells what comes next. */
const OVER_S = 180;

export function terminalPhase(facts: TerminalFacts): TerminalPhase {
  if (facts.station === "unpaired") return "unpaired";
  if (goesOn(facts)) return inLesson(facts);
  const away = facts.station === "lost" || facts.station === "refused";
  if (facts.agenda === null || facts.station === "refused") return "offline";
  if (facts.agenda === "over" || facts.lesson === "ended") {
    return away && facts.lostFor_s >= OVER_S ? "offline" : "over";
  }
  if (away && facts.lostFor_s >= OFFLINE_S) return "offline";
  return facts.agenda === "live" ? "joining" : facts.agenda;
}

/** Whether a lesson is held here now. Media that flow prove it, whatever the other connections do. */
function goesOn(facts: TerminalFacts): boolean {
  if (facts.lesson === "ended" || facts.agenda === "over" || facts.agenda === "idle") return false;
  if (facts.lesson === "planned") return facts.hasPicture && facts.plannedAgainFor_s < PLANNED_AGAIN_S;
  return facts.lesson === "live";
}

function inLesson(facts: TerminalFacts): TerminalPhase {
  if (!facts.hasPicture) {
    const reached = facts.control === "connected" || facts.station === "connected";
    return reached || facts.lostFor_s < OFFLINE_S ? "joining" : "offline";
  }
  if (facts.lesson === "planned" || facts.media !== "receiving") return "reconnecting";
  return facts.called ? "called" : facts.weak ? "weak" : "live";
}

/** Of whom a picture is waited for that was there: the words must not blame the link for a camera's cable. */
export function waitingFor(facts: Pick<TerminalFacts, "control" | "lesson" | "anyLive">): "link" | "teacher" {
  return facts.control === "connected" && facts.lesson === "live" && !facts.anyLive ? "teacher" : "link";
}

/** The lessons of today, and starting one (docs/protocol.md §7). */

import type { AgendaLesson } from "./device_messages.gen";
import { ask } from "./http";
import { Problem } from "./problem";
import { askSigned } from "./session";

export interface Today {
  /** ISO 8601, local to the region. */
  date: string;
  server_time: string;
  lessons: AgendaLesson[];
  /** The one of this period. */
  current: string | null;
}

/** Throws Problem. */
export function readToday(signal?: AbortSignal): Promise<Today> {
  return askSigned("/api/today", { as: "account", signal });
}

/** A lesson is live within 5 s, or something is wrong of which the teacher must be told. */
const START_MS = 8_000;

/** Begin a lesson, recorded, with a token of its teacher. Throws Problem: status 0 when nobody has answered in time. */
export async function startLesson(lesson: string, token: string, within_ms = START_MS): Promise<void> {
  const signal = AbortSignal.timeout(within_ms);
  try {
    await ask(`/api/lessons/${encodeURIComponent(lesson)}/start`, { token, method: "POST", signal });
  } catch (error) {
    throw error instanceof Problem ? error : new Problem(0, "unanswered", "");
  }
}

/** A lesson that is in no timetable, as it could be held now: with whom its teacher usually is. */
export interface Extra {
  subject: string;
  main: ExtraRoom;
  listeners: (ExtraRoom & { usual: boolean })[];
}

export interface ExtraRoom {
  classroom_id: number;
  classroom: string;
  school: string;
}

/** Null for who teaches nothing. Throws Problem. */
export async function readExtra(): Promise<Extra | null> {
  return (await askSigned<{ extra: Extra | null }>("/api/today/extra", { as: "account" })).extra;
}

/** Plan it for now, with these classrooms; which lesson it is. Throws Problem: 409 when somebody is in another one. */
export async function holdExtra(listeners: number[]): Promise<string> {
  const request = { as: "account", method: "POST", body: { listeners } } as const;
  return (await askSigned<{ id: string }>("/api/today/extra", request)).id;
}

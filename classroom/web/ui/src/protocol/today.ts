/** The lessons of today, and starting one (docs/protocol.md §6). */

import type { AgendaLesson } from "./device_messages.gen";
import { ask } from "./http";
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
export async function readToday(signal?: AbortSignal): Promise<Today> {
  const response = await askSigned("/api/today", { as: "account", signal });
  return (await response.json()) as Today;
}

/** Begin a lesson, recorded, with a token of its teacher. Throws Problem. */
export async function startLesson(lesson: string, token: string): Promise<void> {
  await ask(`/api/lessons/${encodeURIComponent(lesson)}/start`, { token, method: "POST" });
}

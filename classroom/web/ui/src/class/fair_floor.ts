/** The fair-floor meter: no classroom is forgotten. Pure. */

import type { LessonView, ParticipantView } from "../protocol/messages.gen";

/** A room that nobody has asked for so long is pointed out, softly. */
export const SILENT_MIN = 10;

export interface FairFloor {
  /** How often the teacher has called on it. */
  asked: number;
  /** Whole minutes since it last had the floor, or since it could have had it. */
  silent_min: number;
  /** The share of `SILENT_MIN` that has gone by, 0..1. */
  share: number;
  /** Here, and silent for too long. */
  forgotten: boolean;
}

const NOBODY: FairFloor = { asked: 0, silent_min: 0, share: 0, forgotten: false };

export function fairFloor(
  participant: ParticipantView | null,
  lesson: LessonView | null,
  now_ms: number,
): FairFloor {
  if (participant === null) return NOBODY;
  const { asked, last_asked_at, joined_at, id, online } = participant;
  if (lesson?.state !== "live" || lesson.started_at === null || lesson.floor.includes(id)) {
    return { ...NOBODY, asked };
  }
  const could_ms = Math.max(Date.parse(lesson.started_at), Date.parse(joined_at));
  const since_ms = last_asked_at === null ? could_ms : Date.parse(last_asked_at);
  const silent_min = Math.max(0, (now_ms - since_ms) / 60_000);
  return {
    asked,
    silent_min: Math.floor(silent_min),
    share: Math.min(1, silent_min / SILENT_MIN),
    forgotten: online && silent_min >= SILENT_MIN,
  };
}

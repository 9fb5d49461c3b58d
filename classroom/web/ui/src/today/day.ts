/** A day of lessons as its viewer sees it: which one is now, and who is ready for it. Pure. */

import type { AgendaLesson, ListenerView } from "../protocol/device_messages.gen";

/** Before class a room is got ready; then the lesson is soon. */
export const STANDBY_MS = 10 * 60_000;

export type Standing = "planned" | "soon" | "due" | "live" | "ended" | "missed" | "cancelled";

export function standingOf({ state, starts_at, ends_at }: AgendaLesson, now_ms: number): Standing {
  if (state !== "planned") return state;
  if (now_ms >= Date.parse(ends_at)) return "missed";
  const until_ms = Date.parse(starts_at) - now_ms;
  if (until_ms <= 0) return "due";
  return until_ms <= STANDBY_MS ? "soon" : "planned";
}

const URGENCY: readonly Standing[] = ["live", "due", "soon", "planned"];

/** The lesson that the home page is about: one that goes on, else the one that comes first; null when all are over. */
export function lessonOfTheMoment(lessons: readonly AgendaLesson[], now_ms: number): AgendaLesson | null {
  for (const standing of URGENCY) {
    const [first] = byTime(lessons.filter((lesson) => standingOf(lesson, now_ms) === standing));
    if (first !== undefined) return first;
  }
  return null;
}

export function byTime(lessons: readonly AgendaLesson[]): AgendaLesson[] {
  return [...lessons].sort(
    (a, b) => Date.parse(a.starts_at) - Date.parse(b.starts_at) || a.id.localeCompare(b.id),
  );
}

/** What needs somebody first, what is over last. */
export function byUrgency(lessons: readonly AgendaLesson[], now_ms: number): AgendaLesson[] {
  const rank = (lesson: AgendaLesson): number => {
    const place = URGENCY.indexOf(standingOf(lesson, now_ms));
    return hasFault(lesson, now_ms) ? -1 : place < 0 ? URGENCY.length : place;
  };
  return byTime(lessons).sort((a, b) => rank(a) - rank(b));
}

/** `none`: nobody has set up a terminal there. */
export type RoomState = "here" | "ready" | "fault" | "off" | "none";

export function roomState(room: ListenerView, lesson: AgendaLesson): RoomState {
  if (room.device_id === null) return "none";
  if (!room.online) return "off";
  if (!room.ready) return "fault";
  return lesson.state === "live" ? "here" : "ready";
}

export function readyRooms({ listeners }: AgendaLesson): number {
  return listeners.filter(({ online, ready }) => online && ready).length;
}

/** Whether somebody should look after it: only near the lesson is a room that is off a fault. */
export function hasFault(lesson: AgendaLesson, now_ms: number): boolean {
  const standing = standingOf(lesson, now_ms);
  if (standing !== "soon" && standing !== "due" && standing !== "live") return false;
  return !lesson.main.ready || readyRooms(lesson) < lesson.listeners.length;
}

/** 三年级数学, or the title where the timetable knows no more. */
export function classOf({ grade, subject, title }: AgendaLesson): { class: string; title: string } {
  const name = `${grade}${subject}`;
  return name ? { class: name, title: title === name ? "" : title } : { class: title, title: "" };
}

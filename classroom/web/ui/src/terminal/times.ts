/** Times as a class reads them. Pure. */

export type Countdown =
  { key: "soon" } | { key: "minutes" | "hours" | "days"; days: number; hours: number; minutes: number };

const MINUTE_MS = 60_000;
const DAY_MIN = 24 * 60;

/** What is left until then, in the largest unit that says enough; minutes are rounded up, as people do. */
export function countdown(left_ms: number): Countdown {
  const total_min = Math.ceil(left_ms / MINUTE_MS);
  if (total_min <= 0) return { key: "soon" };
  const parts = {
    days: Math.round(total_min / DAY_MIN),
    hours: Math.floor(total_min / 60),
    minutes: total_min % 60,
  };
  if (total_min >= 2 * DAY_MIN) return { key: "days", ...parts };
  return total_min >= 60 ? { key: "hours", ...parts } : { key: "minutes", ...parts, minutes: total_min };
}

export function clockTime(at: Date, language: string): string {
  return at.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

export function longDate(at: Date, language: string): string {
  return at.toLocaleDateString(language, { month: "long", day: "numeric", weekday: "long" });
}

/** Which day a lesson is on, from a classroom's point of view; `other` is told by its date. */
export function dayOf(at: Date, now: Date): "today" | "tomorrow" | "other" {
  const midnight = (date: Date): number => new Date(date).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(at) - midnight(now)) / (DAY_MIN * MINUTE_MS));
  return days === 0 ? "today" : days === 1 ? "tomorrow" : "other";
}

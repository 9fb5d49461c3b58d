/** Times as people say them. Pure. */

const STEPS: [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** How long ago something was: 3 天前. */
export function ago(at: string, now_ms: number, language: string): string {
  const past_s = Math.max(0, (now_ms - Date.parse(at)) / 1000);
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const [unit, length_s] = STEPS.find(([, seconds]) => past_s >= seconds) ?? ["second", 1];
  return format.format(unit === "second" ? 0 : -Math.floor(past_s / length_s), unit);
}

/** Swedish dates and times are those of ISO 8601: 2026-11-26 09:05. */
const local = (at: Date, zone: string) =>
  new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" }).format(at);

/** The time of day in a zone: 09:05. */
export const clock = (at: string, zone: string) => local(new Date(at), zone).slice(11);

/** The day in a zone: 2026-11-26. */
export const dayOf = (at: Date, zone: string) => local(at, zone).slice(0, 10);

/** Day and time in a zone, to the second. */
export function moment(at: string, zone: string, language: string): string {
  const format = { timeZone: zone, dateStyle: "medium", timeStyle: "medium", hour12: false } as const;
  return new Intl.DateTimeFormat(language, format).format(new Date(at));
}

/** So many days later. */
export function addDays(day: string, days: number): string {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + days);
  return date.toISOString().slice(0, 10);
}

/** 1 is Monday. */
export function weekdayOf(day: string): number {
  return new Date(`${day}T00:00:00Z`).getUTCDay() || 7;
}

/** A time of day without seconds. */
export const minutesOf = (time: string) => time.slice(0, 5);

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

const two = (number: number) => String(number).padStart(2, "0");

/** The time of day here: 09:05. */
export function clock(at: string): string {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** The day here: 2026-11-26. */
export function dayOf(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
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

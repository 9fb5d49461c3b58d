/** The calendar as people look at it: a month of weeks, and what each day is. Pure. */

import type { Area, CalendarDay, CalendarValues } from "../protocol/calendar";
import type { Plan } from "../protocol/plans";
import type { SessionAccount } from "../protocol/session";
import { isByHand } from "./plans";
import { addDays, weekdayOf } from "./when";

export const SCOPES = ["everybody", "district", "school"] as const;
export type AreaScope = (typeof SCOPES)[number];

/** No lessons, those of another day, or as usual although others have a holiday. */
export const DAY_KINDS = ["off", "swapped", "usual"] as const;
export type DayKind = (typeof DAY_KINDS)[number];

/** So many days can be said at once: the summer holidays are no part of a term. */
export const MAX_SPAN = 31;

export const kindOf = ({ on_date, follows }: Pick<CalendarValues, "on_date" | "follows">): DayKind =>
  follows === null ? "off" : follows === on_date ? "usual" : "swapped";

/** The whole weeks, Monday first, that a month (`2026-10`) is in. */
export function weeksOf(month: string): string[][] {
  const first = `${month}-01`;
  const next = `${shifted(month, 1)}-01`;
  const weeks: string[][] = [];
  for (let monday = addDays(first, 1 - weekdayOf(first)); monday < next; monday = addDays(monday, 7)) {
    weeks.push(Array.from({ length: 7 }, (_, i) => addDays(monday, i)));
  }
  return weeks;
}

/** So many months later. */
export function shifted(month: string, months: number): string {
  const [year = 0, number = 1] = month.split("-").map(Number);
  return new Date(Date.UTC(year, number - 1 + months, 1)).toISOString().slice(0, 7);
}

/** All days of a span, both ends among them, MAX_SPAN at most. */
export function daysOf(from: string, to: string): string[] {
  const days: string[] = [];
  for (let day = from; day <= to && days.length < MAX_SPAN; day = addDays(day, 1)) days.push(day);
  return days;
}

export const scopeOf = ({ district_id, school_id }: Area): AreaScope =>
  school_id !== null ? "school" : district_id !== null ? "district" : "everybody";

export const isOf = (day: CalendarDay, area: Area): boolean =>
  day.district_id === area.district_id && day.school_id === area.school_id;

/** Whose calendar somebody looks at first: their own. */
export const ownArea = ({ district_id, school_id }: SessionAccount): Area => ({
  district_id: school_id === null ? district_id : null,
  school_id,
});

/** Whether somebody who changes calendars may change that of an area; which schools and districts, the server says. */
export function reaches({ role, district_id, school_id }: SessionAccount, area: Area): boolean {
  if (role !== "operator") return school_id !== null && area.school_id === school_id;
  return scopeOf(area) !== "everybody" || (district_id === null && school_id === null);
}

/** A district with all below it. */
export function withBelow(id: number, parents: ReadonlyMap<number, number | null>): Set<number> {
  const found = new Set([id]);
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const [district, parent] of parents) if (parent !== null && found.has(parent)) found.add(district);
  }
  return found;
}

/** The plans of schools in an area: it is their calendar by which lessons are held. */
export function plansIn(
  plans: readonly Plan[],
  { district_id, school_id }: Area,
  parents: ReadonlyMap<number, number | null>,
): Plan[] {
  if (school_id !== null) return plans.filter(({ main }) => main.school_id === school_id);
  if (district_id === null) return [...plans];
  const inside = withBelow(district_id, parents);
  return plans.filter(({ main }) => inside.has(main.district_id));
}

/** Whether the calendar leaves a plan alone: it was changed by hand, or has begun. */
export const stays = (plan: Plan, now_ms: number): boolean =>
  plan.changed ||
  plan.state === "cancelled" ||
  isByHand(plan) ||
  plan.entry_id === null ||
  Date.parse(plan.starts_at) <= now_ms;

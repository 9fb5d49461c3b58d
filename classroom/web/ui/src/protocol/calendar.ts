/** The calendar of schools over HTTP (docs/protocol.md §8): which days are not as the timetable has them. */

import { queryOf, type Thing } from "./region";
import { askSigned } from "./session";

export interface CalendarValues {
  on_date: string;
  /** 国庆节. */
  name: string;
  /** The day whose lessons are held; null: none are. */
  follows: string | null;
  district_id: number | null;
  school_id: number | null;
}

/** A day as it is said for a school, a district, or with neither for everybody. */
export type CalendarDay = Thing & CalendarValues;

/** Days in a row, both ends among them, on which no lessons are held, or (`as_usual`) those of the timetable. */
export interface CalendarSpan extends Area {
  first_day: string;
  last_day: string;
  name: string;
  as_usual: boolean;
}

export type Area = Pick<CalendarValues, "district_id" | "school_id">;

/** A lesson of the timetable that meets another one, on this day for the first time. */
export interface Meeting {
  entry_id: number;
  on_date: string;
  period: number | null;
  subject: string;
  teacher: string;
  text: string;
}

/** What counts for an area on some days: of each day what is said nearest to it; throws Problem. */
export async function listCalendar(
  area: Area,
  from: string,
  to: string,
  signal?: AbortSignal,
): Promise<CalendarDay[]> {
  const path = `/api/calendar${queryOf({ from, to, ...area })}`;
  return (await askSigned<{ items: CalendarDay[] }>(path, { signal })).items;
}

/** Say what the days of a span are, all of them or none; throws Problem. */
export async function sayDays(span: CalendarSpan): Promise<void> {
  await askSigned("/api/calendar", { method: "PUT", body: span });
}

/** What the calendar, bells and terms have brought together; throws Problem. */
export function listConflicts(signal?: AbortSignal): Promise<{ total: number; items: Meeting[] }> {
  return askSigned("/api/region/conflicts", { signal });
}

/** What a region is made of, over HTTP (docs/protocol.md §8): the same doors for every kind. */

import { askSigned, askTagged } from "./session";

export type ThingKind =
  | "districts"
  | "schools"
  | "classrooms"
  | "classes"
  | "people"
  | "terms"
  | "calendar"
  | "bells"
  | "subscriptions"
  | "timetable";

/** A thing with its id and with what its references are called: `names.school_id`, `names["listeners.0.class_id"]`. */
export interface Thing {
  id: number;
  names: Record<string, string>;
  [field: string]: unknown;
}

export interface Page<T> {
  total: number;
  page: number;
  page_size: number;
  items: T[];
}

export interface Bell {
  period: number;
  /** Local time: `08:30:00`. */
  starts: string;
  ends: string;
}

export interface Listener {
  classroom_id: number;
  class_id: number | null;
  assistant_id: number | null;
}

export interface Term extends Thing {
  name: string;
  starts_on: string;
  ends_on: string;
}

export interface EntryValues {
  term_id: number;
  /** 1 is Monday. */
  weekday: number;
  period: number;
  classroom_id: number;
  teacher_id: number;
  subject: string;
  class_id: number | null;
  weeks: "all" | "odd" | "even";
  first_week: number | null;
  last_week: number | null;
  title: string;
  listeners: Listener[];
}

/** A lesson of the timetable. */
export type Entry = Thing & EntryValues;

export type Asked = Record<string, string | number | boolean | null | undefined>;

/** What is asked of a list, as the query of its address; what is empty is left out. */
export function queryOf(asked: Asked): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

/** One page of those within reach; throws Problem. */
export async function listThings<T extends Thing = Thing>(
  kind: ThingKind,
  asked: Asked,
  signal?: AbortSignal,
): Promise<Page<T>> {
  return askSigned(`/api/region/${kind}${queryOf(asked)}`, { signal });
}

/** All of those within reach, up to `most`; throws Problem. */
export async function listAllThings<T extends Thing = Thing>(
  kind: ThingKind,
  asked: Asked = {},
  signal?: AbortSignal,
  most = 5000,
): Promise<T[]> {
  const page_size = 500;
  const items: T[] = [];
  for (let page = 1; ; page++) {
    const found = await listThings<T>(kind, { ...asked, page, page_size }, signal);
    items.push(...found.items);
    if (found.items.length < page_size || items.length >= Math.min(found.total, most)) return items;
  }
}

/** One thing, with the tag that a change of it is to name; throws Problem. */
export async function readThing(
  kind: ThingKind,
  id: number,
): Promise<{ thing: Thing; tag: string | undefined }> {
  const { answer, tag } = await askTagged<Thing>(`/api/region/${kind}/${id}`);
  return { thing: answer, tag };
}

/** A new thing (`id` is null), or all of one anew; throws Problem. */
export async function saveThing(
  kind: ThingKind,
  id: number | null,
  body: Record<string, unknown>,
  over?: string,
): Promise<Thing> {
  const path = `/api/region/${kind}`;
  return id === null
    ? askSigned(path, { method: "POST", body })
    : askSigned(`${path}/${id}`, { method: "PUT", body, over });
}

/** Remove one that nothing refers to; throws Problem. */
export async function removeThing(kind: ThingKind, id: number): Promise<void> {
  await askSigned(`/api/region/${kind}/${id}`, { method: "DELETE" });
}

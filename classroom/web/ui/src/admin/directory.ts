/** What the things of a region are called, to choose among them by some words. */

import { listAllThings, listThings, type Thing, type ThingKind } from "../protocol/region";

export interface Named {
  id: number;
  label: string;
  thing: Thing;
}

/** How many are offered at once; who wants another one types a word more. */
export const OFFERED = 50;

const text = (value: unknown) => (typeof value === "string" ? value : "");

/** What a thing is called among others of its kind. */
export function labelOf(kind: ThingKind, thing: Thing): string {
  const name = text(thing.name);
  const of = (field: string) => thing.names[field] ?? "";
  switch (kind) {
    case "schools":
      return text(thing.short_name) || name;
    case "classrooms":
    case "bells":
      return `${of("school_id")} ${name}`;
    case "people":
      return `${name} · ${of("school_id")}${text(thing.subject) && ` · ${text(thing.subject)}`}`;
    case "classes":
      return `${of("school_id")} ${text(thing.grade)}${name}`;
    case "subscriptions":
      return `${of("class_id")} ← ${of("main_class_id")} ${text(thing.subject)}`;
    case "timetable":
      return `${text(thing.subject)} ${of("teacher_id")}`;
    default:
      return name;
  }
}

/** Those with all of these words; the shortest first, for they say most exactly what was typed. */
export function matching(all: readonly Named[], words: string, most = OFFERED): Named[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter(({ label, thing }) => {
    const full = `${label} ${text(thing.name)} ${text(thing.code)}`.toLowerCase();
    return wanted.every((word) => full.includes(word));
  });
  if (wanted.length > 0) found.sort((a, b) => a.label.length - b.label.length);
  return found.slice(0, most);
}

const known = new Map<ThingKind, Promise<Named[]>>();

function named(kind: ThingKind, things: Thing[]): Named[] {
  return things.map((thing) => ({ id: thing.id, label: labelOf(kind, thing), thing }));
}

/** All of a kind, asked for once; throws Problem. Not for people, of whom there are too many. */
export function all(kind: Exclude<ThingKind, "people">): Promise<Named[]> {
  const asked = known.get(kind);
  if (asked !== undefined) return asked;
  const asking = listAllThings(kind).then((things) => named(kind, things));
  known.set(kind, asking);
  asking.catch(() => known.delete(kind));
  return asking;
}

/** Those to choose among: all that have these words, of one school if it is said; throws Problem. */
export async function offered(kind: ThingKind, words: string, school_id: number | null): Promise<Named[]> {
  if (kind === "people") {
    const asked = { q: words.trim(), kind: "staff", school_id, page_size: OFFERED };
    return named(kind, (await listThings(kind, asked)).items);
  }
  const things = await all(kind);
  return matching(
    school_id === null ? things : things.filter(({ thing }) => thing.school_id === school_id),
    words,
  );
}

/** Forget what was asked for: something has been changed, or somebody else has signed in. */
export function forgetDirectory(): void {
  known.clear();
}

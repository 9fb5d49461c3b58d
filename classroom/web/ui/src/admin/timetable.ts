/** The week of a classroom, a class or a teacher. Pure. */

import type { Entry, Term, Thing } from "../protocol/region";

/** Whose week it is. */
export type By = "classroom" | "class" | "teacher";
export const BYS: By[] = ["classroom", "class", "teacher"];
/** The field of an entry that names who leads it, and the question of a list for those with whom it has to do. */
export const LEADING = { classroom: "classroom_id", class: "class_id", teacher: "teacher_id" } as const;
export const ASKED_WITH = {
  classroom: "with_classroom",
  class: "with_class",
  teacher: "with_person",
} as const;
export type Weeks = Entry["weeks"];

export interface Subscription extends Thing {
  term_id: number;
  class_id: number;
  main_class_id: number;
  subject: string;
  classroom_id: number;
  assistant_id: number | null;
}

export interface Cell {
  entry: Entry;
  /** Whether whose week it is listens to the lesson, or helps in one that is listened to. */
  listens: boolean;
}

/** How many periods a day has at least, in a grid. */
const PERIODS = 7;
const WEEK_MS = 7 * 86_400_000;

/** Those who listen to a lesson: as the entry says, and as classes have subscribed. */
function listening(entry: Entry, subscriptions: readonly Subscription[]) {
  const subscribed = subscriptions.filter(
    ({ term_id, main_class_id, subject }) =>
      term_id === entry.term_id && main_class_id === entry.class_id && subject === entry.subject,
  );
  return [...entry.listeners, ...subscribed];
}

export function listenerCount(entry: Entry, subscriptions: readonly Subscription[]): number {
  return new Set(listening(entry, subscriptions).map(({ classroom_id }) => classroom_id)).size;
}

/** The lessons of somebody's week, by their slot (`3-2`: Wednesday, second period); those of odd weeks first. */
export function weekOf(entries: readonly Entry[], by: By, id: number, weeks: Weeks): Map<string, Cell[]> {
  const found = new Map<string, Cell[]>();
  for (const entry of entries) {
    if (weeks !== "all" && entry.weeks !== "all" && entry.weeks !== weeks) continue;
    const slot = slotOf(entry.weekday, entry.period);
    found.set(slot, [...(found.get(slot) ?? []), { entry, listens: entry[LEADING[by]] !== id }]);
  }
  for (const cells of found.values()) {
    cells.sort((a, b) => Number(a.entry.weeks === "even") - Number(b.entry.weeks === "even"));
  }
  return found;
}

/** The classes that are taught in these, to ask who has subscribed. */
export function classesOf(entries: readonly Entry[]): number[] {
  return [...new Set(entries.flatMap(({ class_id }) => (class_id === null ? [] : [class_id])))];
}

export const slotOf = (weekday: number, period: number) => `${weekday}-${period}`;

/** The rows of the grid: as many periods as there are bells or lessons. */
export function periodsOf(entries: Iterable<Cell[]>, bells: number): number[] {
  const most = Math.max(PERIODS, bells, ...[...entries].flat().map(({ entry }) => entry.period));
  return Array.from({ length: most }, (_, i) => i + 1);
}

/** The columns: a weekend only if there are lessons on it. */
export function weekdaysOf(entries: Iterable<Cell[]>): number[] {
  const last = Math.max(5, ...[...entries].flat().map(({ entry }) => entry.weekday));
  return Array.from({ length: last }, (_, i) => i + 1);
}

/** The term that a day is in, else the latest. */
export function currentTerm(terms: readonly Term[], day: string): Term | null {
  return terms.find(({ starts_on, ends_on }) => starts_on <= day && day <= ends_on) ?? terms[0] ?? null;
}

/** The week of a term that a day is in: 1 for the week of its first day; null outside of it. */
export function weekNumber({ starts_on, ends_on }: Term, day: string): number | null {
  if (day < starts_on || day > ends_on) return null;
  const monday = (text: string) => {
    const at = new Date(`${text}T00:00:00Z`);
    return at.getTime() - ((at.getUTCDay() + 6) % 7) * 86_400_000;
  };
  return (monday(day) - monday(starts_on)) / WEEK_MS + 1;
}

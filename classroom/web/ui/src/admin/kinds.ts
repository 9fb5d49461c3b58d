/** What is said of each kind of thing: the tables and forms of the region are made of this. */

import type { ThingKind } from "../protocol/region";

export type TableKind = Exclude<ThingKind, "timetable" | "calendar">;

interface FieldBase {
  name: string;
  optional?: boolean;
  /** Shown in the table as well. */
  column?: boolean;
  /** Half of the form's width. */
  half?: boolean;
  /** Only where another field has this value. */
  when?: { field: string; is: string };
}
export type Field = FieldBase &
  (
    | { type: "text"; most: number; pattern?: string }
    | { type: "number"; least: number; most: number }
    | { type: "date" }
    | { type: "switch" }
    | { type: "choice"; values: string[] }
    | { type: "reference"; kind: ThingKind; ofSchool?: boolean }
    | { type: "bells" }
  );

export interface KindDescription {
  fields: Field[];
  /** Fields by which a list can be narrowed. */
  filters: string[];
}

const SCHOOL: Field = { name: "school_id", type: "reference", kind: "schools", column: true };

export const KINDS: Record<TableKind, KindDescription> = {
  schools: {
    fields: [
      { name: "name", type: "text", most: 100, column: true },
      { name: "short_name", type: "text", most: 60, optional: true, column: true, half: true },
      { name: "code", type: "text", most: 10, pattern: "\\d{10}", column: true, half: true },
      { name: "district_id", type: "reference", kind: "districts", column: true },
    ],
    filters: ["district_id"],
  },
  classrooms: {
    fields: [
      SCHOOL,
      { name: "name", type: "text", most: 60, column: true },
      { name: "leads", type: "switch", column: true },
    ],
    filters: ["school_id"],
  },
  classes: {
    fields: [
      SCHOOL,
      { name: "grade", type: "text", most: 60, column: true, half: true },
      { name: "name", type: "text", most: 60, column: true, half: true },
      { name: "children", type: "number", least: 0, most: 1000, column: true },
      {
        name: "classroom_id",
        type: "reference",
        kind: "classrooms",
        ofSchool: true,
        optional: true,
        column: true,
      },
    ],
    filters: ["school_id"],
  },
  people: {
    fields: [
      { name: "kind", type: "choice", values: ["staff", "student"], column: true },
      { name: "name", type: "text", most: 60, column: true },
      SCHOOL,
      {
        name: "staff_number",
        type: "text",
        most: 40,
        optional: true,
        column: true,
        half: true,
        when: { field: "kind", is: "staff" },
      },
      {
        name: "subject",
        type: "text",
        most: 60,
        optional: true,
        column: true,
        half: true,
        when: { field: "kind", is: "staff" },
      },
      {
        name: "student_number",
        type: "text",
        most: 40,
        optional: true,
        column: true,
        when: { field: "kind", is: "student" },
      },
      {
        name: "class_id",
        type: "reference",
        kind: "classes",
        ofSchool: true,
        optional: true,
        column: true,
        when: { field: "kind", is: "student" },
      },
    ],
    filters: ["school_id", "kind"],
  },
  terms: {
    fields: [
      { name: "name", type: "text", most: 60, column: true },
      { name: "starts_on", type: "date", column: true, half: true },
      { name: "ends_on", type: "date", column: true, half: true },
    ],
    filters: [],
  },
  bells: {
    fields: [
      SCHOOL,
      { name: "name", type: "text", most: 60, column: true, half: true },
      { name: "valid_from", type: "date", column: true, half: true },
      { name: "bells", type: "bells", column: true },
    ],
    filters: ["school_id"],
  },
  subscriptions: {
    fields: [
      { name: "term_id", type: "reference", kind: "terms", column: true },
      { name: "subject", type: "text", most: 60, column: true },
      { name: "main_class_id", type: "reference", kind: "classes", column: true },
      { name: "class_id", type: "reference", kind: "classes", column: true },
      { name: "classroom_id", type: "reference", kind: "classrooms", column: true },
      { name: "assistant_id", type: "reference", kind: "people", optional: true, column: true },
    ],
    filters: ["term_id", "class_id", "main_class_id"],
  },
  districts: {
    fields: [
      { name: "name", type: "text", most: 60, column: true },
      { name: "code", type: "text", most: 12, pattern: "\\d{6,12}", column: true },
      { name: "parent_id", type: "reference", kind: "districts", optional: true, column: true },
    ],
    filters: ["parent_id"],
  },
};

/** What is to be allowed (classroom/web/rights.py) to whom a button is shown. */
export function rightTo(what: "add" | "change" | "remove", kind: TableKind): string {
  if (kind === "terms") return "terms.write";
  if (kind === "districts" || (kind === "schools" && what !== "change")) return "districts.write";
  return "region.write";
}

export const TABLE_KINDS = Object.keys(KINDS) as TableKind[];

/** What a form begins with. */
export function blank({ fields }: KindDescription): Record<string, unknown> {
  return Object.fromEntries(
    fields.map((field) => {
      switch (field.type) {
        case "text":
          return [field.name, ""];
        case "number":
          return [field.name, field.least];
        case "switch":
          return [field.name, false];
        case "choice":
          return [field.name, field.values[0]];
        case "bells":
          return [field.name, []];
        default:
          return [field.name, null];
      }
    }),
  );
}

/** What the form shows of these values. */
export function shownFields({ fields }: KindDescription, values: Record<string, unknown>): Field[] {
  return fields.filter(({ when }) => when === undefined || values[when.field] === when.is);
}

/** What is sent of a form: what is not shown is not said, an empty number of somebody is none. */
export function bodyOf(kind: KindDescription, values: Record<string, unknown>): Record<string, unknown> {
  const shown = new Set(shownFields(kind, values));
  return Object.fromEntries(
    kind.fields.map((field) => {
      const value = values[field.name];
      if (!shown.has(field) || (value === "" && field.name.endsWith("_number"))) {
        return [field.name, field.name === "subject" ? "" : null];
      }
      return [field.name, value ?? null];
    }),
  );
}

/** Whether all is filled in that has to be; what is wrong with it the server says. */
export function isFilled(kind: KindDescription, values: Record<string, unknown>): boolean {
  return shownFields(kind, values).every(({ name, optional }) => {
    const value = values[name];
    return optional === true || (value !== null && value !== undefined && value !== "");
  });
}

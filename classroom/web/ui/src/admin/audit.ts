/** Entries of the audit log as people read them. Pure. */

import type { AuditEntry } from "../protocol/accounts";

/** What entries are about, as their actions begin. */
export const AUDIT_THINGS = [
  "session",
  "account",
  "device",
  "timetable",
  "plan",
  "region",
  "districts",
  "schools",
  "classrooms",
  "classes",
  "people",
  "terms",
  "calendar",
  "bells",
  "subscriptions",
] as const;
export type AuditThing = (typeof AUDIT_THINGS)[number];

/** `account.reset_password` in its two halves. */
export function partsOf(action: string): { thing: string; verb: string } {
  const at = action.indexOf(".");
  return at < 0 ? { thing: action, verb: "" } : { thing: action.slice(0, at), verb: action.slice(at + 1) };
}

/** Where somebody was; an address of the old kind as everybody knows it. */
export const addressOf = ({ address }: AuditEntry) => address.replace(/^::ffff:(?=\d+\.)/, "");

/** What need not be told, as JSON: an import tells of sheets, too, with which it had nothing to do. */
const NOTHING = ["null", '""', "false", "[0,0]"];
const isNumber = (value: unknown): value is number => typeof value === "number";

/** How the log names a thing, a lesson, a device: 学校 12, d20261126-3, 233c103e961c3e7f. */
const BY_NUMBER = /^\S+ \d+$|^[a-z]\d{8}-\d+$|^[0-9a-f]{16,}$/;

/** What an entry is about; what the log has by its number is called by its name, as long as somebody knows it. */
export function objectOf({ object, detail, names }: AuditEntry): string {
  if (names.object !== undefined) return names.object;
  if (!BY_NUMBER.test(object)) return object;
  const name = [detail.short_name, detail.name, detail.subject].find(
    (value) => typeof value === "string" && value !== "",
  );
  return typeof name === "string" ? name : object;
}

/** What was said in the change, in a line; what is empty is left out. `called` names a field, `shown` a moment. */
export function detailOf(
  { detail, names }: AuditEntry,
  called: (field: string) => string,
  shown: (at: string) => string,
): string {
  return Object.entries(detail)
    .filter(([, value]) => !NOTHING.includes(JSON.stringify(value)))
    .map(([name, value]) => `${called(name)} ${names[name] ?? textOf(name, value, shown)}`)
    .join(" · ");
}

function textOf(name: string, value: unknown, shown: (at: string) => string): string {
  if (value === true) return "✓";
  if (isNumber(value)) return name.endsWith("_id") ? `#${value}` : String(value);
  if (typeof value === "string") return name.endsWith("_at") ? shown(value) : value;
  if (!Array.isArray(value)) return JSON.stringify(value);
  // An import tells how many are new and how many were changed; else it is a list of parts.
  return value.length === 2 && value.every(isNumber)
    ? `+${String(value[0])} ±${String(value[1])}`
    : `× ${value.length}`;
}

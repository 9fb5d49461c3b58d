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

/** What was said in the change, in a line; what is empty is left out. `called` names a field for people. */
export function detailOf({ detail }: AuditEntry, called: (field: string) => string): string {
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== "" && value !== false)
    .map(([name, value]) => `${called(name)} ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" · ");
}

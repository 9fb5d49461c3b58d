/** The sections of the administration, and which right opens each. Pure. */

import type { StaffIconName } from "../components/staff_icons";

export const SECTIONS = [
  { name: "terminals", right: "terminals.manage", icon: "classroom" },
  { name: "timetable", right: "region.read", icon: "list" },
  { name: "plans", right: "region.read", icon: "clock" },
  { name: "calendar", right: "region.read", icon: "calendar" },
  { name: "region", right: "region.write", icon: "school" },
  { name: "exchange", right: "region.write", icon: "swap" },
  { name: "accounts", right: "accounts.write", icon: "people" },
  { name: "audit", right: "audit.read", icon: "observer" },
] as const satisfies { name: string; right: string; icon: StaffIconName }[];

export type Section = (typeof SECTIONS)[number];
export type SectionName = Section["name"];

/** Those that somebody with these rights may open. */
export function sectionsOf(rights: readonly string[]): Section[] {
  return SECTIONS.filter(({ right }) => rights.includes(right));
}

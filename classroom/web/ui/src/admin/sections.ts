/** The sections of the administration, and which right opens each. Pure. */

import type { StaffIconName } from "../components/staff_icons";

export const SECTIONS = [
  { name: "terminals", right: "terminals.manage", icon: "classroom" },
] as const satisfies { name: string; right: string; icon: StaffIconName }[];

export type Section = (typeof SECTIONS)[number];
export type SectionName = Section["name"];

/** Those that somebody with these rights may open. */
export function sectionsOf(rights: readonly string[]): Section[] {
  return SECTIONS.filter(({ right }) => rights.includes(right));
}

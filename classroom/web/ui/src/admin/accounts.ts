/** Accounts as they are shown, and whose they may be. Pure. */

import type { Account, AccountRole, AccountValues } from "../protocol/accounts";

/** Whose accounts of a role are: of a school, a district or everything, or either. */
export type Reach = "school" | "district" | "either";

export const REACH: Record<AccountRole, Reach> = {
  operator: "district",
  school_admin: "school",
  teacher: "school",
  assistant: "school",
  researcher: "either",
};

export type AccountState = "disabled" | "locked" | "first" | "elsewhere" | "usual";

/** The one thing about an account that is to be known first. */
export function stateOfAccount({ disabled, locked_until, must_change, has_password }: Account): AccountState {
  if (disabled) return "disabled";
  if (locked_until !== null) return "locked";
  if (must_change) return "first";
  return has_password ? "usual" : "elsewhere";
}

/** Whether somebody whom the OpenID provider vouches for has the account, or gets it by asking. */
export const isOpenToProvider = ({ has_oidc, may_bind }: Account) => has_oidc || may_bind;

/** The roles that somebody may give: who looks after one school makes none that is above it. */
export function rolesFor(may: (right: string) => boolean, roles: readonly AccountRole[]): AccountRole[] {
  return roles.filter((role) => REACH[role] !== "district" || may("districts.write"));
}

/** What is said of an account: its reach is that of its role. */
export function fitting(values: AccountValues): AccountValues {
  const reach = REACH[values.role];
  const { school_id } = values;
  if (reach === "school") return { ...values, district_id: null };
  if (reach === "district") return { ...values, school_id: null };
  return school_id === null ? values : { ...values, district_id: null };
}

/** Whether all is filled in that has to be. */
export function isWhole({ name, role, school_id, district_id }: AccountValues): boolean {
  if (name.trim() === "") return false;
  const reach = REACH[role];
  return reach === "district" || school_id !== null || (reach === "either" && district_id !== null);
}

/** Looking after accounts, and what everybody did (docs/protocol.md §5). */

import { queryOf, type Asked, type Page } from "./region";
import { askSigned, type SessionAccount } from "./session";

export type AccountRole = SessionAccount["role"];
export const ACCOUNT_ROLES: AccountRole[] = [
  "operator",
  "school_admin",
  "teacher",
  "assistant",
  "researcher",
];

export interface AccountValues {
  name: string;
  role: AccountRole;
  person_id: number | null;
  district_id: number | null;
  school_id: number | null;
  disabled: boolean;
}

export interface Account extends AccountValues {
  id: number;
  login: string;
  /** The one-time password has not been changed yet. */
  must_change: boolean;
  has_password: boolean;
  has_oidc: boolean;
  /** The next whom the OpenID provider calls like its login gets it. */
  may_bind: boolean;
  locked_until: string | null;
  created_at: string;
  signed_in_at: string | null;
}

export interface AuditEntry {
  at: string;
  account_id: number | null;
  actor: string;
  action: string;
  object: string;
  detail: Record<string, unknown>;
  address: string;
  /** What its ids are called, by their path in `detail`; what was done something to is under `object`. */
  names: Record<string, string>;
}

/** One page of the accounts within reach; throws Problem. */
export async function listAccounts(asked: Asked, signal?: AbortSignal): Promise<Page<Account>> {
  return askSigned(`/api/accounts${queryOf(asked)}`, { signal });
}

/** A new account, with the one-time password that is told once; without one it signs in elsewhere. */
export async function addAccount(
  login: string,
  password: boolean,
  values: AccountValues,
): Promise<{ account: Account; password: string | null }> {
  return askSigned("/api/accounts", { method: "POST", body: { login, password, ...values } });
}

/** Say all of an account anew, but for its login; throws Problem. */
export async function changeAccount(id: number, values: AccountValues): Promise<Account> {
  return askSigned(`/api/accounts/${id}`, { method: "PUT", body: values });
}

export async function removeAccount(id: number): Promise<void> {
  await askSigned(`/api/accounts/${id}`, { method: "DELETE" });
}

/** A new one-time password; whoever was signed in no longer is. */
export async function resetPassword(id: number): Promise<string> {
  return (await askSigned<{ password: string }>(`/api/accounts/${id}/password`, { method: "POST" })).password;
}

/** Let the OpenID provider's next of its login have an account, or forget whom it is there; throws Problem. */
export async function setBinding(id: number, allowed: boolean): Promise<void> {
  await askSigned(`/api/accounts/${id}/oidc`, { method: allowed ? "PUT" : "DELETE" });
}

/** What was done, the latest first; throws Problem. */
export async function listAudit(asked: Asked, signal?: AbortSignal): Promise<Page<AuditEntry>> {
  return askSigned(`/api/audit${queryOf(asked)}`, { signal });
}

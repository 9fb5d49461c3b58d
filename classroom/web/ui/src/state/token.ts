/** Where a page finds its token: in the address first, then where an earlier visit left it. */

import { readSession } from "../protocol/session";
import { claimsOf, tokenFromHash, type Claims, type LessonAccess } from "../protocol/token";

export interface Credentials {
  /** Empty: the session of who is signed in. */
  token: string;
  claims: Claims;
}

export type PageWithToken = "teacher" | "replay" | "library";

/**
 * Kept for the tab. The address is left as it is, so a reload works; but an operator's token opens every lesson and is
 * taken out of it, because addresses are copied and shown.
 */
export function findCredentials(page: PageWithToken): Credentials | null {
  const key = `classroom.token.${page}`;
  const inAddress = tokenFromHash(location.hash);
  const found = inAddress === null ? null : claimsOf(inAddress);
  if (inAddress !== null && found !== null) {
    sessionStorage.setItem(key, inAddress);
    if (found.role === "operator") hideToken();
  }
  const token = inAddress ?? sessionStorage.getItem(key);
  if (token === null) return null;
  const claims = found ?? claimsOf(token);
  return claims === null ? null : { token, claims };
}

/** What the address itself says, and nothing that an earlier visit left. */
export function credentialsInAddress(): Credentials | null {
  const token = tokenFromHash(location.hash);
  const claims = token === null ? null : claimsOf(token);
  return token === null || claims === null ? null : { token, claims };
}

/** The lesson of somebody who was given one token and has no way to get another. */
export function accessOf({ token, claims }: Credentials): LessonAccess {
  return { lesson: claims.lesson, name: claims.name, token: () => Promise.resolve(token) };
}

/** What somebody who is signed in may do with recordings, as a token would say it; null for a stranger. Throws Problem. */
export async function sessionCredentials(): Promise<Credentials | null> {
  const { account } = await readSession();
  if (!account?.rights.includes("library.read")) return null;
  const role = account.rights.includes("library.edit") ? "operator" : "observer";
  return { token: "", claims: { lesson: "", role, sub: "", name: account.name, exp: null } };
}

function hideToken(): void {
  const fields = new URLSearchParams(location.hash.slice(1));
  fields.delete("token");
  fields.delete("key");
  const rest = fields.size > 0 ? `#${fields}` : "";
  history.replaceState(history.state, "", location.pathname + location.search + rest);
}

/** Where a page finds its token: in the address first, then where an earlier visit left it. */

import { claimsOf, tokenFromHash, type Claims } from "../protocol/token";

export interface Credentials {
  token: string;
  claims: Claims;
}

/**
 * A terminal keeps its token for good (it starts again after a power cut, whatever address it is opened with);
 * the other pages only for the tab. The address is left as it is, so a reload works.
 */
export function findCredentials(page: "teacher" | "terminal" | "replay"): Credentials | null {
  const store = page === "terminal" ? localStorage : sessionStorage;
  const key = `classroom.token.${page}`;
  const inAddress = tokenFromHash(location.hash);
  if (inAddress !== null && claimsOf(inAddress) !== null) store.setItem(key, inAddress);
  const token = inAddress ?? store.getItem(key);
  if (token === null) return null;
  const claims = claimsOf(token);
  return claims === null ? null : { token, claims };
}

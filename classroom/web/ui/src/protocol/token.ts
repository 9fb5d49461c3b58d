/** What a bearer token says (docs/protocol.md §1). Pages read it to know their lesson; only the server verifies it. */

import type { Role } from "./messages.gen";

export interface Claims {
  lesson: string;
  role: Role;
  sub: string;
  name: string;
  /** Seconds since 1970. */
  exp: number | null;
}

/** The token in a location hash such as `#token=…`, or null. */
export function tokenFromHash(hash: string): string | null {
  return new URLSearchParams(hash.replace(/^#/, "")).get("token") || null;
}

/** Decode the claims of a JWT without verifying it; null when it is not one of ours. */
export function claimsOf(token: string): Claims | null {
  const payload = token.split(".")[1];
  if (payload === undefined) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (c) =>
      c.charCodeAt(0),
    );
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Record<string, unknown>>;
    const { lesson, role, sub, name, exp } = claims;
    if (typeof lesson !== "string" || typeof role !== "string" || typeof sub !== "string") return null;
    return {
      lesson,
      role: role as Role,
      sub,
      name: typeof name === "string" ? name : "",
      exp: typeof exp === "number" ? exp : null,
    };
  } catch {
    return null;
  }
}

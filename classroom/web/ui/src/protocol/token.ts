/** What a bearer token says (docs/protocol.md §1). Pages read it to know their lesson; only the server verifies it. */

import type { Role } from "./messages.gen";

/** Participants of a lesson; an operator, who has none; a viewer, who may only watch the recording of one. */
export type TokenRole = Role | "operator" | "viewer";

export interface Claims {
  /** Empty for an operator, who may see them all. */
  lesson: string;
  role: TokenRole;
  sub: string;
  name: string;
  /** Seconds since 1970. */
  exp: number | null;
}

/** Asked for each connection: a token that is good for a while. Named is the one that was refused, to get another. */
export type TokenSource = (refused?: string) => Promise<string>;

/** Which lesson somebody is in, and the tokens for it. */
export interface LessonAccess {
  readonly lesson: string;
  /** Shown to the teacher when the token has none. */
  readonly name?: string;
  token: TokenSource;
}

/** The token in a location hash such as `#token=…` or `#key=…`, or null. */
export function tokenFromHash(hash: string): string | null {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  return fields.get("token") || fields.get("key") || null;
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
    const { lesson = "", role, sub = "", name, exp } = claims;
    if (typeof lesson !== "string" || typeof role !== "string" || typeof sub !== "string") return null;
    if (lesson === "" && role !== "operator") return null;
    return {
      lesson,
      role: role as TokenRole,
      sub,
      name: typeof name === "string" ? name : "",
      exp: typeof exp === "number" ? exp : null,
    };
  } catch {
    return null;
  }
}

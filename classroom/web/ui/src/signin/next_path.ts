/** Where somebody goes after signing in. Pure. */

/** The address if it is a page of this server, else the first page: nobody is sent elsewhere from here. */
export function nextPath(next: unknown): string {
  if (typeof next !== "string" || !/^\/(?![/\\])[\x21-\x7e]*$/.test(next)) return "/";
  return next.startsWith("/signin") ? "/" : next;
}

/** The sign-in page that leads back to an address. */
export function signInPath(back: string): string {
  return back === "/" ? "/signin" : `/signin?next=${encodeURIComponent(back)}`;
}

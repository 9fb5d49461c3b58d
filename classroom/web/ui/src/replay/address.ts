/** A moment of a recording as an address: `/replay/maths/2026-11-1#key=…&t=83`. Pure. */

/** The moment that a location hash asks for, in seconds; null when it asks for none. */
export function momentOf(hash: string): number | null {
  const asked = new URLSearchParams(hash.replace(/^#/, "")).get("t");
  if (asked === null || !/^\d{1,6}(\.\d{1,3})?$/.test(asked)) return null;
  return Number(asked);
}

/** The address with its moment replaced, in whole seconds; without one when `at_s` is null. */
export function withMoment(address: string, at_s: number | null): string {
  const [page = "", hash = ""] = address.split("#", 2);
  const fields = new URLSearchParams(hash);
  fields.delete("t");
  if (at_s !== null) fields.set("t", String(Math.floor(at_s)));
  return fields.size > 0 ? `${page}#${fields}` : page;
}

/** The page of a recording; of the latest one of the lesson when `holding` is null. */
export function replayPath(lesson: string, holding: string | null): string {
  const path = `/replay/${encodeURIComponent(lesson)}`;
  return holding === null ? path : `${path}/${encodeURIComponent(holding)}`;
}

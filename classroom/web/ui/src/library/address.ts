/** What is asked of the library, as the query of its address: it can be shared, and the back button works. Pure. */

import { FACETS, type Facet, type Query, type Sort } from "../protocol/library";

export const PAGE_SIZE = 24;
/** Each narrows the next: what is chosen below goes when what is above changes. School and teacher stand apart. */
const CASCADE: Facet[] = ["stage", "grade", "subject", "edition", "volume", "chapter"];
const SORTS: Sort[] = ["newest", "oldest", "title", "relevance"];
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Values as a router gives them: a name that stands twice is a list. */
export type AddressQuery = Record<string, string | null | (string | null)[] | undefined>;

/** Read an address; what makes no sense is left out. */
export function queryOf(address: AddressQuery): Query {
  const one = (name: string): string => {
    const value = address[name];
    return (Array.isArray(value) ? value[0] : value) ?? "";
  };
  const day = (name: string) => (DAY.test(one(name)) ? one(name) : "");
  const q = one("q").slice(0, 200);
  const facets = Object.fromEntries(
    FACETS.map((facet) => [facet, one(facet)]).filter(([, value]) => value !== ""),
  ) as Query["facets"];
  const sort = SORTS.find((known) => known === one("sort")) ?? usualSort(q);
  const page = /^[1-9]\d{0,4}$/.test(one("page")) ? Number(one("page")) : 1;
  return { facets, from: day("from"), to: day("to"), q, sort, page, page_size: PAGE_SIZE };
}

/** Write an address; what is usual is left out, and filters stand in their order. */
export function addressOf({ facets, from, to, q, sort, page }: Query): Record<string, string> {
  const address: Record<string, string> = {};
  for (const facet of FACETS) if (facets[facet]) address[facet] = facets[facet];
  if (from) address.from = from;
  if (to) address.to = to;
  if (q) address.q = q;
  if (sort !== usualSort(q)) address.sort = sort;
  if (page > 1) address.page = String(page);
  return address;
}

/** Choose a value of a facet, or none (an empty string); from the first page again. */
export function choose(query: Query, facet: Facet, value: string): Query {
  const facets = { ...query.facets };
  Reflect.deleteProperty(facets, facet);
  const at = CASCADE.indexOf(facet);
  if (at >= 0) for (const below of CASCADE.slice(at + 1)) Reflect.deleteProperty(facets, below);
  return { ...query, facets: value === "" ? facets : { ...facets, [facet]: value }, page: 1 };
}

/** Other words; with words the best match is on top, unless another order had been chosen. */
export function searchFor(query: Query, q: string): Query {
  const sort =
    query.sort === usualSort(query.q) || (q === "" && query.sort === "relevance") ? usualSort(q) : query.sort;
  return { ...query, q, sort, page: 1 };
}

/** Whether anything narrows the library. */
export function isNarrowed({ facets, from, to, q }: Query): boolean {
  return Object.keys(facets).length > 0 || from !== "" || to !== "" || q !== "";
}

function usualSort(q: string): Sort {
  return q === "" ? "newest" : "relevance";
}

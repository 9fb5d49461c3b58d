/** The library: lessons that were recorded, and how to find them (docs/protocol.md §5). */

import { ask } from "./http";
import type { RecordingState } from "./messages.gen";

/** 学段→年级→学科→版本→册次→章节, in the order in which each narrows the next; then who taught it. */
export const FACETS = [
  "stage",
  "grade",
  "subject",
  "edition",
  "volume",
  "chapter",
  "school",
  "teacher",
] as const;
export type Facet = (typeof FACETS)[number];

export type Sort = "newest" | "oldest" | "title" | "relevance";

/** What is asked for. Empty strings ask for nothing. */
export interface Query {
  facets: Partial<Record<Facet, string>>;
  /** Days, as in 2026-11-25. */
  from: string;
  to: string;
  q: string;
  sort: Sort;
  page: number;
  page_size: number;
}

export interface FacetValue {
  value: string;
  count: number;
}

export type HitKind = "title" | "people" | "slide" | "caption";

/** A place where the words were found; `marks` are their spans in `text`, in characters. */
export interface Hit {
  kind: HitKind;
  at_s: number | null;
  text: string;
  marks: [start: number, end: number][];
}

export interface LibraryItem {
  lesson: string;
  holding: string;
  title: string;
  stage: string;
  grade: string;
  subject: string;
  edition: string;
  volume: string;
  chapter: string;
  teacher: string;
  school: string;
  district: string;
  started_at: string | null;
  duration_s: number;
  state: RecordingState;
  detail: string | null;
  /** Of a repair, 0 to 1. */
  progress: number | null;
  gaps: number;
  cover: string | null;
  hits: Hit[];
}

export interface Library {
  total: number;
  page: number;
  page_size: number;
  facets: Record<Facet, FacetValue[]>;
  items: LibraryItem[];
}

/** What people say about a lesson; every field may be empty. */
export interface Metadata {
  title: string;
  stage: string;
  grade: string;
  subject: string;
  edition: string;
  volume: string;
  chapter: string;
  teacher: string;
  school: string;
  school_code: string;
  district: string;
  lesson_type: string;
  keywords: string[];
  description: string;
  language: string;
  licence: string;
}

export interface SharedLink {
  url: string;
  expires_at: string;
}

const lessonPath = (lesson: string) => `/api/lessons/${encodeURIComponent(lesson)}`;

/** Throws Problem. */
export async function fetchLibrary(query: Query, token: string, signal?: AbortSignal): Promise<Library> {
  const { facets, from, to, q, sort, page, page_size } = query;
  const asked = Object.entries({ ...facets, from, to, q }).filter(([, value]) => value !== "");
  const search = new URLSearchParams(asked);
  search.set("sort", sort);
  search.set("page", String(page));
  search.set("page_size", String(page_size));
  const response = await ask(`/api/library?${search}`, { token, signal });
  return (await response.json()) as Library;
}

/** What is said, and the tag by which it is known when it is written over. Throws Problem. */
export async function fetchMetadata(
  lesson: string,
  token: string,
): Promise<{ metadata: Metadata; tag: string | undefined }> {
  const response = await ask(`${lessonPath(lesson)}/metadata`, { token });
  return { metadata: (await response.json()) as Metadata, tag: response.headers.get("ETag") ?? undefined };
}

/** Throws Problem; its code is `metadata_changed` when it is not `over` that would be written over. */
export async function saveMetadata(
  lesson: string,
  metadata: Metadata,
  over: string | undefined,
  token: string,
): Promise<void> {
  await ask(`${lessonPath(lesson)}/metadata`, { token, method: "PUT", body: metadata, over });
}

/** A link that opens this lesson (one holding of it, or whichever is the latest) and nothing else. Throws Problem. */
export async function makeLink(
  lesson: string,
  holding: string | null,
  ttl_s: number,
  token: string,
): Promise<SharedLink> {
  const response = await ask(`${lessonPath(lesson)}/links`, {
    token,
    method: "POST",
    body: { ttl_s, holding },
  });
  return (await response.json()) as SharedLink;
}

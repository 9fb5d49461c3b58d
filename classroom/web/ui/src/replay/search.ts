/** Searching one lesson: the words on its slides and in its captions. Pure. */

import type { Chapter } from "../protocol/recording";
import type { Cue } from "./captions";

export interface Found {
  kind: "slide" | "caption";
  at_s: number;
  text: string;
  /** Spans of the words in `text`. */
  marks: [start: number, end: number][];
}

const MAX_FOUND = 200;
/** So much of a long slide is shown around the first hit. */
const AROUND_CHARS = 24;

/**
 * Every slide and caption that has all the words, in the order of their times, at most 200. Letters' case and width do not
 * matter (ＡＢＣ is abc); a word is found inside of others, as Chinese needs it.
 */
export function searchLesson(query: string, chapters: Chapter[], cues: Cue[]): Found[] {
  const words = folded(query)
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) return [];
  const slides = chapters.map(({ start_s, title, text }) => ({
    kind: "slide" as const,
    at_s: start_s,
    text: text.startsWith(title) ? text : `${title}\n${text}`,
  }));
  const captions = cues.map(({ start_s, text }) => ({ kind: "caption" as const, at_s: start_s, text }));
  return [...slides, ...captions]
    .map((place) => ({ ...place, text: place.text.replace(/\s+/g, " ").trim() }))
    .map((place) => ({ ...place, marks: marksOf(place.text, words) }))
    .filter((place): place is Found => place.marks !== null)
    .sort((a, b) => a.at_s - b.at_s)
    .slice(0, MAX_FOUND)
    .map(excerpt);
}

/** The text in pieces, those to mark and those between. Marks are in order and do not overlap. */
export function pieces(text: string, marks: [number, number][]): { text: string; marked: boolean }[] {
  const found: { text: string; marked: boolean }[] = [];
  let at = 0;
  for (const [start, end] of marks) {
    if (start > at) found.push({ text: text.slice(at, start), marked: false });
    if (end > Math.max(at, start)) found.push({ text: text.slice(Math.max(at, start), end), marked: true });
    at = Math.max(at, end);
  }
  if (at < text.length) found.push({ text: text.slice(at), marked: false });
  return found;
}

/** Compatible forms and cases as one, without changing how many characters there are: marks are places in the original. */
function folded(text: string): string {
  return Array.from(text, (char) => {
    const same = char.normalize("NFKC").toLowerCase();
    return same.length === char.length ? same : char;
  }).join("");
}

/** Null when a word is missing. */
function marksOf(text: string, words: string[]): [number, number][] | null {
  const searched = folded(text);
  const marks: [number, number][] = [];
  for (const word of words) {
    let at = searched.indexOf(word);
    if (at < 0) return null;
    for (; at >= 0; at = searched.indexOf(word, at + word.length)) marks.push([at, at + word.length]);
  }
  marks.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const merged: [number, number][] = [];
  for (const [start, end] of marks) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

function excerpt(found: Found): Found {
  const from = (found.marks[0]?.[0] ?? 0) - AROUND_CHARS;
  if (from <= 0) return found;
  const marks = found.marks.map(([start, end]): [number, number] => [start - from + 1, end - from + 1]);
  return { ...found, text: `…${found.text.slice(from)}`, marks };
}

/** Finding one's way among chapters. Pure; times in seconds. */

import type { Chapter } from "../protocol/recording";

/** Going back within so much of a chapter's beginning means the one before it. */
const BACK_S = 3;

/** Index of the chapter at a time; −1 before the first. Chapters are in the order of their times. */
export function chapterAt(chapters: Chapter[], at_s: number): number {
  return chapters.filter((chapter) => chapter.start_s <= at_s).length - 1;
}

/** Where "next chapter" goes; null in the last one. */
export function nextChapter(chapters: Chapter[], at_s: number): number | null {
  return chapters.find((chapter) => chapter.start_s > at_s + 0.05)?.start_s ?? null;
}

/** Where "previous chapter" goes: to the beginning of this one, from there to the one before; null without any. */
export function previousChapter(chapters: Chapter[], at_s: number): number | null {
  const now = chapterAt(chapters, at_s);
  const here = chapters[now];
  if (here === undefined) return null;
  if (at_s - here.start_s > BACK_S) return here.start_s;
  return chapters[now - 1]?.start_s ?? here.start_s;
}

/** What to call a chapter: its title, else the first words of its slide; empty when it has neither. */
export function chapterName({ title, text }: Chapter): string {
  return (
    title ||
    (text
      .split("\n")
      .find((line) => line.trim() !== "")
      ?.trim() ??
      "")
  );
}

/** The number of its page; where no pages were told, its place. Null for what came between: a screen that was black. */
export function pageNumber(chapters: Chapter[], index: number): number | null {
  const told = chapters.some(({ page }) => page !== null);
  return told ? (chapters[index]?.page ?? null) : index + 1;
}

/** What happened in the lesson, as the player shows it on its axis. Pure. */

import type { Gap, LessonEvent, Recording } from "../protocol/recording";

export const MOMENT_KINDS = ["hand", "floor", "discuss", "listen", "note", "came", "left"] as const;
export type MomentKind = (typeof MOMENT_KINDS)[number];

export interface Moment {
  at_s: number;
  kind: MomentKind;
  /** Who raised the hand, has the floor, is written to, came or left; empty when it is not told, or all. */
  name: string;
  /** What the teacher wrote. */
  text?: string;
}

const GAP_REASONS = ["loss", "outage", "restart", "unknown"] as const;
export type GapReason = (typeof GAP_REASONS)[number];

/** Page turns are chapters and gaps are on the bar, so they are not among them. */
export function momentsOf(events: LessonEvent[]): Moment[] {
  return events
    .map((event) => {
      const moment = { at_s: event.at_s, kind: kindOf(event), name: event.name ?? "" };
      return moment.kind === "note" ? { ...moment, text: event.text ?? "" } : moment;
    })
    .filter((moment): moment is Moment => moment.kind !== null)
    .sort((a, b) => a.at_s - b.at_s);
}

/** The gaps of all tracks on one axis; those that touch are one, with the reason of the longest. */
export function gapsOf({ tracks }: Pick<Recording, "tracks">): (Gap & { reason: GapReason })[] {
  const gaps = tracks.flatMap((track) => track.gaps).filter((gap) => gap.end_s > gap.start_s);
  gaps.sort((a, b) => a.start_s - b.start_s);
  const merged: (Gap & { reason: GapReason; longest_s: number })[] = [];
  for (const gap of gaps) {
    const length_s = gap.end_s - gap.start_s;
    const reason = reasonOf(gap.reason);
    const last = merged.at(-1);
    if (last === undefined || gap.start_s > last.end_s) {
      merged.push({ ...gap, reason, longest_s: length_s });
      continue;
    }
    last.end_s = Math.max(last.end_s, gap.end_s);
    if (length_s > last.longest_s) {
      last.reason = reason;
      last.longest_s = length_s;
    }
  }
  return merged.map(({ start_s, end_s, reason }) => ({ start_s, end_s, reason }));
}

function kindOf({ kind, name, online }: LessonEvent): MomentKind | null {
  switch (kind) {
    case "participant":
      return online === false ? "left" : "came";
    case "mode":
      return name === "discuss" ? "discuss" : "listen";
    case "floor":
      return name ? "floor" : null; // it is the teacher's again
    case "hand":
    case "note":
      return kind;
    default:
      return null;
  }
}

function reasonOf(reason: string): GapReason {
  return GAP_REASONS.find((known) => known === reason) ?? "unknown";
}

/** WebVTT in, cues out (https://www.w3.org/TR/webvtt1/ §4): what captions of speech need, without placing and styling. Pure. */

export interface Cue {
  start_s: number;
  end_s: number;
  text: string;
}

const TIMES = /^((?:\d{2,}:)?\d{2}:\d{2}\.\d{3})[ \t]+-->[ \t]+((?:\d{2,}:)?\d{2}:\d{2}\.\d{3})(?:[ \t]|$)/;
const ENTITIES: Record<string, string> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&nbsp;": " ",
  "&lrm;": "",
  "&rlm;": "",
};

/** The cues of a file in the order of their times. What is not a cue, or has no words or no duration, is left out. */
export function parseVtt(file: string): Cue[] {
  const blocks = file
    .replace(/^\uFEFF/, "")
    .replace(/\r\n?/g, "\n")
    .split(/\n{2,}/);
  if (!/^WEBVTT(?:[ \t\n]|$)/.test(blocks[0] ?? "")) return [];
  const cues = blocks.map(cueOf).filter((cue) => cue !== null);
  return cues.sort((a, b) => a.start_s - b.start_s);
}

/** The words to show at a time; cues may overlap. */
export function captionAt(cues: Cue[], at_s: number): string {
  return cues
    .filter((cue) => cue.start_s <= at_s && at_s < cue.end_s)
    .map((cue) => cue.text)
    .join("\n");
}

function cueOf(block: string): Cue | null {
  const lines = block.split("\n").filter((line) => line !== "");
  const at = lines.findIndex((line) => line.includes("-->"));
  if (at < 0 || at > 1) return null; // an identifier may stand in front
  const times = TIMES.exec(lines[at] ?? "");
  if (times === null) return null;
  const start_s = seconds(times[1] ?? "");
  const end_s = seconds(times[2] ?? "");
  const text = plain(lines.slice(at + 1).join("\n"));
  return text === "" || end_s <= start_s ? null : { start_s, end_s, text };
}

function seconds(time: string): number {
  return time.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}

function plain(payload: string): string {
  return payload
    .replace(/<[^>]*>/g, "")
    .replace(/&\w+;/g, (entity) => ENTITIES[entity] ?? entity)
    .trim();
}

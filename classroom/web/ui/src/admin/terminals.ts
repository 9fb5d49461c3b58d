/** What is to be said of a terminal, and which are to be seen first. Pure. */

import type { Check, LinkCheck } from "../protocol/device_messages.gen";
import type { Terminal } from "../protocol/terminals";

/** `alarm`: somebody has to do something now; `away`: switched off while nothing needs it. */
export type TerminalState = "alarm" | "away" | "ready";

const ORDER: TerminalState[] = ["alarm", "away", "ready"];
/** So long before a lesson its terminal should be there. */
const EARLY_MS = 30 * 60_000;
/** Letters and digits that are not mistaken for others (classroom/schoolday/pairing.py). */
const CODE_CHARS = 8;

export type CheckName = "camera" | "slides" | "microphone" | "loudspeaker" | "link";

export interface Fault {
  check: CheckName;
  /** As the device says it. */
  text: string;
}

/** What of its self-test has failed. */
export function faultsOf({ report }: Terminal): Fault[] {
  return Object.entries(report?.checks ?? {}).flatMap(([check, found]: [string, Check | LinkCheck | null]) =>
    found?.ok === false ? [{ check: check as CheckName, text: found.text }] : [],
  );
}

/** Whether it is missing where a lesson needs it. */
export function isMissed({ online, lesson }: Terminal, now_ms: number): boolean {
  if (online || lesson === null || lesson.state === "cancelled" || lesson.state === "ended") return false;
  return lesson.state === "live" || Date.parse(lesson.starts_at) - now_ms < EARLY_MS;
}

export function stateOf(terminal: Terminal, now_ms: number): TerminalState {
  if (isMissed(terminal, now_ms)) return "alarm";
  if (!terminal.online) return "away";
  return faultsOf(terminal).length > 0 ? "alarm" : "ready";
}

/** Those that need somebody first, then by school and room. */
export function inOrder(terminals: readonly Terminal[], now_ms: number): Terminal[] {
  const place = ({ school, classroom, name }: Terminal) => `${school} ${classroom} ${name}`;
  return [...terminals].sort(
    (a, b) =>
      ORDER.indexOf(stateOf(a, now_ms)) - ORDER.indexOf(stateOf(b, now_ms)) ||
      place(a).localeCompare(place(b), "zh-CN"),
  );
}

/** Those that have all of these words in what they are called. */
export function named(terminals: readonly Terminal[], words: string): Terminal[] {
  const wanted = words.toLowerCase().split(/\s+/);
  return terminals.filter(({ school, classroom, name }) => {
    const text = `${school} ${classroom} ${name}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
}

/** A code as it is shown, however it was typed: `7f3k92mp` is 7F3K-92MP. */
export function formatCode(typed: string): string {
  const code = typed
    .toUpperCase()
    .replaceAll(/[^0-9A-Z]/g, "")
    .slice(0, CODE_CHARS);
  return code.length > CODE_CHARS / 2
    ? `${code.slice(0, CODE_CHARS / 2)}-${code.slice(CODE_CHARS / 2)}`
    : code;
}

export function isWholeCode(code: string): boolean {
  return code.length === CODE_CHARS + 1;
}

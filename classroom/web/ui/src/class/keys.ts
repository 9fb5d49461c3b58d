/** What the keys of the teacher's desk do; a remote control with digits will do. Pure. */

export type DeskAction =
  | { do: "callOn"; place: number }
  | { do: "muteAll" | "toggleMode" | "nextHand" | "message" | "help" | "back" };

export interface Key {
  key: string;
  /** The place on the keyboard: with Shift, or in a Chinese input method, `key` is something else. */
  code: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  repeat: boolean;
}

// Space and Enter press whatever button has the focus, so they cannot be ours. T: 讨论, talk. H: 举手, hand.
const KEYS: Record<string, DeskAction> = {
  t: { do: "toggleMode" },
  h: { do: "nextHand" },
  n: { do: "message" },
  Escape: { do: "back" },
  "?": { do: "help" },
  "？": { do: "help" },
};

/** The lines of the key sheet: what is printed on the keys, and the text that says what they do. */
export const KEY_SHEET = [
  ["1", "9", "callOn"],
  ["0", "", "muteAll"],
  ["T", "", "toggleMode"],
  ["H", "", "nextHand"],
  ["N", "", "message"],
  ["Esc", "", "back"],
  ["?", "", "help"],
] as const;

/** Null for a key that is not ours, one that is held down, or one that the browser has a use for. */
export function actionOf({ key, code, ctrlKey, metaKey, altKey, repeat }: Key): DeskAction | null {
  if (ctrlKey || metaKey || altKey || repeat) return null;
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(code)?.[1] ?? (/^[0-9]$/.test(key) ? key : null);
  // 0 only ever silences: pressed twice in a noisy moment, it must not open every microphone.
  if (digit !== null) return digit === "0" ? { do: "muteAll" } : { do: "callOn", place: Number(digit) };
  return KEYS[key.length === 1 ? key.toLowerCase() : key] ?? null;
}

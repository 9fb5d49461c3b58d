/** What the keys of the player do. Pure. */

export type Command =
  | {
      do: "toggle" | "fullscreen" | "mute" | "captions" | "nextChapter" | "previousChapter" | "help" | "swap";
    }
  | { do: "seekBy"; by_s: number }
  | { do: "seekShare"; share: number }
  | { do: "step"; frames: 1 | -1 }
  | { do: "volume"; by: number }
  | { do: "speed"; by: 1 | -1 };

export interface Key {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

const KEYS: Record<string, Command> = {
  " ": { do: "toggle" },
  k: { do: "toggle" },
  j: { do: "seekBy", by_s: -10 },
  l: { do: "seekBy", by_s: 10 },
  ArrowLeft: { do: "seekBy", by_s: -5 },
  ArrowRight: { do: "seekBy", by_s: 5 },
  ArrowUp: { do: "volume", by: 0.1 },
  ArrowDown: { do: "volume", by: -0.1 },
  ",": { do: "step", frames: -1 },
  ".": { do: "step", frames: 1 },
  "<": { do: "speed", by: -1 },
  ">": { do: "speed", by: 1 },
  Home: { do: "seekShare", share: 0 },
  f: { do: "fullscreen" },
  m: { do: "mute" },
  c: { do: "captions" },
  n: { do: "nextChapter" },
  p: { do: "previousChapter" },
  x: { do: "swap" },
  "?": { do: "help" },
  // Chinese input methods give the full-width one.
  "？": { do: "help" },
};

/** The lines of the key sheet: what is printed on the keys, and the text that says what they do. */
export const KEY_SHEET = [
  ["Space", "K", "toggle"],
  ["J", "L", "seek10"],
  ["←", "→", "seek5"],
  [",", ".", "step"],
  ["0", "9", "share"],
  ["<", ">", "speed"],
  ["P", "N", "chapter"],
  ["↑", "↓", "volume"],
  ["M", "", "mute"],
  ["C", "", "captions"],
  ["X", "", "swap"],
  ["F", "", "fullscreen"],
  ["?", "", "help"],
] as const;

/** Null for a key that is not ours, or one that the browser has a use for. */
export function commandOf({ key, ctrlKey, metaKey, altKey }: Key): Command | null {
  if (ctrlKey || metaKey || altKey) return null;
  if (/^[0-9]$/.test(key)) return { do: "seekShare", share: Number(key) / 10 };
  return KEYS[key.length === 1 ? key.toLowerCase() : key] ?? null;
}

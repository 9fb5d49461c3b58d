/** What the keys of a keyboard, a remote control or a panel's buttons do. Pure. */

export type KeyAction = "hand" | "louder" | "quieter";

export interface Key {
  key: string;
  repeat: boolean;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
}

// The OK key of remotes comes as Enter, of some Android panels as Accept or Select.
const ACTIONS: Record<string, KeyAction> = {
  " ": "hand",
  Enter: "hand",
  Accept: "hand",
  Select: "hand",
  ArrowUp: "louder",
  ArrowRight: "louder",
  "+": "louder",
  "=": "louder",
  AudioVolumeUp: "louder",
  ArrowDown: "quieter",
  ArrowLeft: "quieter",
  "-": "quieter",
  AudioVolumeDown: "quieter",
};

/** What to do; a key that is held goes on changing the volume, but raises the hand once. */
export function actionOf(key: Key): KeyAction | null {
  if (key.ctrlKey || key.altKey || key.metaKey) return null;
  const action = ACTIONS[key.key] ?? null;
  return action === "hand" && key.repeat ? null : action;
}

const BOUNCE_MS = 1_500;

/** Children press twice to be sure: what follows within a moment belongs to the same wish. */
export function isNewPress(now_ms: number, lastPress_ms: number): boolean {
  return now_ms - lastPress_ms >= BOUNCE_MS;
}

const STEP = 5;

/** The volume, 0 to 100, one step up or down. */
export function turned(volume: number, action: "louder" | "quieter"): number {
  return Math.min(100, Math.max(0, volume + (action === "louder" ? STEP : -STEP)));
}

/** How somebody likes to watch; kept on this device. */

import { LAYOUTS, type Corner, type Layout } from "./layout";
import type { Quality } from "./plan";

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];

export interface Settings {
  layout: Layout;
  swapped: boolean;
  corner: Corner;
  speed: number;
  volume: number;
  muted: boolean;
  quality: Quality;
  captionsOn: boolean;
  /** Language of the captions, when they are on. */
  captions: string;
}

const KEY = "classroom.replay";

const USUAL: Settings = {
  layout: "both",
  swapped: false,
  corner: "bottom-right",
  speed: 1,
  volume: 1,
  muted: false,
  quality: "original",
  captionsOn: false,
  captions: "",
};

/** What was kept, as far as it still makes sense. Speed and silence are of the day and begin anew. */
export function recallSettings(store: Storage): Settings {
  const kept = parsed(store.getItem(KEY));
  const settings = { ...USUAL };
  if (LAYOUTS.some((layout) => layout === kept.layout)) settings.layout = kept.layout as Layout;
  if (typeof kept.swapped === "boolean") settings.swapped = kept.swapped;
  if (/^(top|bottom)-(left|right)$/.test(String(kept.corner))) settings.corner = kept.corner as Corner;
  if (typeof kept.volume === "number" && kept.volume > 0 && kept.volume <= 1) settings.volume = kept.volume;
  if (kept.quality === "saver") settings.quality = kept.quality;
  if (typeof kept.captionsOn === "boolean") settings.captionsOn = kept.captionsOn;
  if (typeof kept.captions === "string") settings.captions = kept.captions;
  return settings;
}

export function keepSettings(store: Storage, settings: Settings): void {
  try {
    store.setItem(KEY, JSON.stringify(settings));
  } catch {
    return; // full or forbidden: the usual settings next time
  }
}

/** The speed next to the present one; the fastest and the slowest are the ends. */
export function nextSpeed(speed: number, by: 1 | -1): number {
  const at = SPEEDS.indexOf(speed);
  return SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at + by))] ?? 1;
}

function parsed(text: string | null): Partial<Record<keyof Settings, unknown>> {
  try {
    const kept: unknown = JSON.parse(text ?? "{}");
    return typeof kept === "object" && kept !== null ? kept : {};
  } catch {
    return {};
  }
}

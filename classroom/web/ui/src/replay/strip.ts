/** Which small picture shows a time. Pure. */

import type { Strip } from "../protocol/recording";

export interface StripPicture {
  sheet: string;
  x_px: number;
  y_px: number;
}

/** The picture for a time, or the last one there is; null while there is none. */
export function stripPicture(strip: Strip, at_s: number): StripPicture | null {
  const perSheet = strip.columns * strip.rows;
  if (strip.sheets.length === 0 || perSheet < 1) return null;
  const wanted = Math.max(0, Math.floor(at_s / strip.interval_s));
  const index = Math.min(wanted, strip.sheets.length * perSheet - 1);
  const place = index % perSheet;
  return {
    sheet: strip.sheets[Math.floor(index / perSheet)] ?? "",
    x_px: (place % strip.columns) * strip.width_px,
    y_px: Math.floor(place / strip.columns) * strip.height_px,
  };
}

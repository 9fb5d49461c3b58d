/** How long it is to the bell, or since. Pure. */

import { formatDuration } from "./clock";

export interface Bell {
  /** The bell has rung; the lesson may go on. */
  over: boolean;
  /** `27:28` to go, `+02:10` since. */
  text: string;
  left_s: number;
}

export function bellIn(bell_at: string | null, now_ms: number): Bell | null {
  if (bell_at === null) return null;
  const left_s = (Date.parse(bell_at) - now_ms) / 1000;
  // Rounded up before and down after it: 00:00 is the bell itself.
  return left_s > 0
    ? { over: false, text: formatDuration(Math.ceil(left_s)), left_s }
    : { over: true, text: `+${formatDuration(-left_s)}`, left_s };
}

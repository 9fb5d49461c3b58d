/** How long to wait before the next attempt. */

export interface Backoff {
  first_ms: number;
  max_ms: number;
}

/**
 * Delay before attempt `failures + 1`: doubles from `first_ms` to `max_ms`, then ±20 % of jitter so that a
 * village full of terminals does not come back in one instant. `random` is in [0, 1).
 */
export function retryDelay_ms(failures: number, { first_ms, max_ms }: Backoff, random: number): number {
  const base_ms = Math.min(max_ms, first_ms * 2 ** Math.min(failures, 16));
  return base_ms * (0.8 + 0.4 * random);
}

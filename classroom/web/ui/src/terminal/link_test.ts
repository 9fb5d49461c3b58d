/** How the way to the server is, before a lesson needs it. */

import type { LinkFigures } from "./self_test";

const PROBES = 5;
const DEADLINE_MS = 5_000;

/** The shortest of a few round trips, and the rate at which a file of the page comes; null when nothing comes. */
export async function testLink(): Promise<LinkFigures | null> {
  try {
    let rtt_ms = Infinity;
    for (let probe = 0; probe < PROBES; probe++) {
      const begun_ms = performance.now();
      const response = await fetch("/healthz", {
        cache: "no-store",
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      await response.text();
      // The first one also pays for the connection.
      rtt_ms = Math.min(rtt_ms, performance.now() - begun_ms);
    }
    return { rtt_ms: Math.round(rtt_ms), down_kbps: await measureDown_kbps(rtt_ms) };
  } catch {
    return null;
  }
}

/** Loads the largest file that this page is made of once more; null when the browser does not tell its size. */
async function measureDown_kbps(rtt_ms: number): Promise<number | null> {
  const files = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  const own = files.filter((file) => new URL(file.name).pathname.startsWith("/assets/"));
  const largest = own.reduce<PerformanceResourceTiming | null>(
    (most, file) => (file.encodedBodySize > (most?.encodedBodySize ?? 0) ? file : most),
    null,
  );
  if (largest === null) return null;
  const begun_ms = performance.now();
  const response = await fetch(largest.name, {
    cache: "no-store",
    signal: AbortSignal.timeout(2 * DEADLINE_MS),
  });
  await response.arrayBuffer();
  const took_ms = Math.max(1, performance.now() - begun_ms - rtt_ms);
  return Math.round((largest.encodedBodySize * 8) / took_ms);
}

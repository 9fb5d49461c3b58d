/** Where somebody stopped watching, for each recording, on this device. */

const PREFIX = "classroom.watched.";
/** A glance at the beginning, or the end of the credits, is no place to come back to. */
const EARLIEST_S = 20;
const LATEST_BEFORE_END_S = 15;
const KEPT = 100;

interface Watched {
  at_s: number;
  /** Milliseconds since 1970. */
  on_ms: number;
}

/** Whether it is worth offering to go on at a place. Pure. */
export function worthResuming(at_s: number, duration_s: number): boolean {
  return at_s >= EARLIEST_S && at_s <= duration_s - LATEST_BEFORE_END_S;
}

/** `recording` is what tells recordings apart, such as `maths/2026-11-1`. */
export function watchedTo(store: Storage, recording: string): number | null {
  return read(store, PREFIX + recording)?.at_s ?? null;
}

/** The 100 latest are kept. */
export function rememberWatched(store: Storage, recording: string, at_s: number, now_ms: number): void {
  const watched: Watched = { at_s: Math.round(at_s), on_ms: now_ms };
  try {
    store.setItem(PREFIX + recording, JSON.stringify(watched));
  } catch {
    return; // full or forbidden: then there is nothing to come back to
  }
  const keys = Array.from({ length: store.length }, (_, i) => store.key(i) ?? "");
  const ours = keys.filter((key) => key.startsWith(PREFIX));
  if (ours.length <= KEPT) return;
  const oldestFirst = ours.sort((a, b) => (read(store, a)?.on_ms ?? 0) - (read(store, b)?.on_ms ?? 0));
  for (const key of oldestFirst.slice(0, ours.length - KEPT)) store.removeItem(key);
}

export function forgetWatched(store: Storage, recording: string): void {
  store.removeItem(PREFIX + recording);
}

function read(store: Storage, key: string): Watched | null {
  try {
    const watched = JSON.parse(store.getItem(key) ?? "null") as Partial<Watched> | null;
    if (typeof watched?.at_s !== "number" || typeof watched.on_ms !== "number") return null;
    return { at_s: watched.at_s, on_ms: watched.on_ms };
  } catch {
    return null;
  }
}

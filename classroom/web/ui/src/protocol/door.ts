/**
 * Whether the server can be reached, asked by HTTP before a WebSocket is opened again (docs/protocol.md §4).
 *
 * A WebSocket that fails is dear: Chromium lets the next one of the page wait the longer the more have failed, up to 5 s
 * after some sixteen, and one at a time is opened to a server. An attempt that begins in an outage goes on with TCP's own
 * back-off when it is over, seconds later. Here a question is asked each second, whether the ones before were answered
 * or not.
 */

/** True when the server has answered that it is there; never rejects. */
export type Knock = (signal: AbortSignal) => Promise<boolean>;

const PACE_MS = 1_000;
/** The oldest is given up for the next: it has had 4 s, enough for TCP, TLS and an answer by way of a satellite. */
const AT_ONCE = 4;

export class Door {
  readonly #ask: Knock;
  readonly #pace_ms: number;
  readonly #waiting = new Set<() => void>();
  readonly #asked: AbortController[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ask: Knock = askHealth, pace_ms = PACE_MS) {
    this.#ask = ask;
    this.#pace_ms = pace_ms;
  }

  /** Ask at once and go on asking; `opened` is called when the server has answered, unless what this returns was. */
  whenOpen(opened: () => void): () => void {
    this.#waiting.add(opened);
    this.#knock();
    return () => {
      this.#waiting.delete(opened);
      if (this.#waiting.size === 0) this.#rest();
    };
  }

  #knock(): void {
    clearTimeout(this.#timer);
    if (this.#asked.length >= AT_ONCE) this.#asked.shift()?.abort();
    const knock = new AbortController();
    this.#asked.push(knock);
    void this.#ask(knock.signal).then((open) => {
      const place = this.#asked.indexOf(knock);
      if (place < 0) return; // it was given up meanwhile
      this.#asked.splice(place, 1);
      if (open) this.#open();
    });
    // A fifth either way, so that a village full of terminals does not knock in one instant.
    this.#timer = setTimeout(() => this.#knock(), this.#pace_ms * (0.8 + 0.4 * Math.random()));
  }

  #open(): void {
    this.#rest();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const opened of waiting) opened();
  }

  #rest(): void {
    clearTimeout(this.#timer);
    for (const knock of this.#asked.splice(0)) knock.abort();
  }
}

async function askHealth(signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch("/healthz", { cache: "no-store", signal });
    await response.text(); // the connection is good for the next question
    return response.ok;
  } catch {
    return false;
  }
}

/** That of the server of this page: all its connections ask together. */
export const door = new Door();

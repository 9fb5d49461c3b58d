/** Receives a lesson for as long as it is wanted: starts WHEP sessions, watches them, starts again. */

import { retryDelay_ms, type Backoff } from "./backoff";
import { HANDSHAKES_DOUBT_MS, HANDSHAKES_MS, type MediaTarget } from "./media_session";
import { Problem } from "./problem";
import { statsBetween, totalBytes, type ReceiveSample, type ReceiveStats } from "./receive_stats";
import { WhepSession, type Slot, type SlotTracks } from "./whep_session";

/**
 * `idle`: not wanted. `connecting`: no media yet. `receiving`: bytes come in. `quiet`: connected, and nobody
 * sends. `lost`: was receiving, trying to get it back. `refused`: the server said no; asked again later.
 */
export type ReceiveStatus = "idle" | "connecting" | "receiving" | "quiet" | "lost" | "refused";

export interface WhepEvents {
  status(status: ReceiveStatus, problem: Problem | null): void;
  /** The tracks of a session that begins, or null when it ends. */
  tracks(tracks: SlotTracks | null): void;
  /** The session is about to be dropped: the last moment to keep its last picture. */
  closing(): void;
  stats(stats: ReceiveStats): void;
}

const BACKOFF: Backoff = { first_ms: 300, max_ms: 1500 };
const SAMPLE_MS = 250;
/** While nothing has come yet: the page waits to show its picture. */
const FIRST_SAMPLE_MS = 100;
/**
 * Live publications and no byte for so long, where voice alone brings bytes many times a second: another path is looked
 * for in the same session, the page says so, a new session is begun, whatever ICE believes.
 */
const DOUBT_MS = 1_000;
const LOST_MS = 1_800;
const STALL_MS = 2_200;
/** What a restart of ICE needs more on a long path: PATCH, check, and the server's question. */
const RESTART_RTTS = 4;
/** The same when the control connection broke too: the server itself is likely gone. */
const SUSPECT_STALL_MS = 1_000;
const DISCONNECTED_MS = 2_000;
const REFUSED_MS = 10_000;

export class WhepClient {
  readonly #slots: readonly Slot[];
  readonly #events: WhepEvents;
  #target: MediaTarget | null = null;
  #expected = false;
  #suspect = false;
  #session: WhepSession | null = null;
  #before: ReceiveSample | null = null;
  /** The present session has been connected: silence is no handshake any more. */
  #connected = false;
  #lastBytes_ms = 0;
  #expectedSince_ms = 0;
  #restartedAt_ms = 0;
  #failures = 0;
  #received = false;
  #status: ReceiveStatus = "idle";
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #sampleTimer: ReturnType<typeof setTimeout> | undefined;
  #disconnectedTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(slots: readonly Slot[], events: WhepEvents) {
    this.#slots = slots;
    this.#events = events;
  }

  /** Receive from here; a session that already runs goes on. */
  start(target: MediaTarget): void {
    const wasIdle = this.#target === null;
    this.#target = target;
    if (wasIdle) this.#connect();
  }

  /** Stop receiving: the page closes, or the server has ended the session itself (`ended`). */
  stop(ended = false): void {
    this.#target = null;
    this.#received = false;
    this.#failures = 0;
    clearTimeout(this.#retryTimer);
    this.#drop(ended);
    this.#report("idle");
  }

  /** Whether anybody is sending something for our slots: only then is silence a fault. */
  expectMedia(expected: boolean): void {
    const begins = expected && !this.#expected;
    this.#expected = expected;
    if (!begins) return;
    this.#expectedSince_ms = Date.now();
    if (this.#status === "quiet") this.#report(this.#received ? "lost" : "connecting");
  }

  /** The control connection broke: if nothing comes in either, the server is gone. Until `retryNow`. */
  suspect(): void {
    this.#suspect = true;
  }

  /** The server can be reached again: do not wait for the back-off, nor for a session that it may have forgotten. */
  retryNow(): void {
    if (this.#target === null) return;
    if (this.#session !== null) {
      const silent = Date.now() - this.#lastBytes_ms > SUSPECT_STALL_MS + SAMPLE_MS;
      const keep = !this.#suspect || !silent;
      this.#suspect = false;
      if (keep) return;
      this.#drop();
    }
    clearTimeout(this.#retryTimer);
    this.#failures = 0;
    this.#suspect = false;
    this.#connect();
  }

  /** The server says that a session is over: if it is the present one, begin another without waiting for silence. */
  sessionEnded(session_id: string): void {
    if (!this.#session?.isOver(session_id)) return;
    this.#failures = 0;
    this.#drop(true);
    this.#failed(null);
  }

  #connect(): void {
    if (this.#target === null) return;
    const session = new WhepSession(this.#target, this.#slots);
    this.#session = session;
    this.#before = null;
    this.#connected = false;
    this.#lastBytes_ms = Date.now();
    this.#report(this.#received ? "lost" : "connecting");
    session.onconnectionstatechange = () => this.#connectionChanged(session);
    session.open().then(
      () => {
        if (session !== this.#session) return;
        this.#lastBytes_ms = Date.now();
        this.#events.tracks(session.tracks);
        void this.#watch(session);
      },
      (error: unknown) => {
        if (session === this.#session) this.#failed(error instanceof Problem ? error : null);
      },
    );
  }

  #connectionChanged(session: WhepSession): void {
    if (session !== this.#session) return;
    clearTimeout(this.#disconnectedTimer);
    switch (session.connectionState) {
      case "connected":
        if (!this.#connected) this.#lastBytes_ms = Date.now();
        this.#connected = true;
        break;
      case "disconnected":
        this.#disconnectedTimer = setTimeout(() => this.#failed(null), DISCONNECTED_MS);
        break;
      case "failed":
      case "closed":
        this.#failed(null);
        break;
      default:
    }
  }

  /** Measure a session for as long as it is the present one. */
  async #watch(session: WhepSession): Promise<void> {
    await this.#sample(session);
    if (session !== this.#session) return;
    const pause_ms = this.#status === "receiving" || this.#status === "quiet" ? SAMPLE_MS : FIRST_SAMPLE_MS;
    this.#sampleTimer = setTimeout(() => void this.#watch(session), pause_ms);
  }

  async #sample(session: WhepSession): Promise<void> {
    const now_ms = Date.now();
    const after = await session.sample(now_ms).catch(() => null);
    if (after === null || session !== this.#session) return;
    const before = this.#before ?? { at_ms: now_ms, slots: [], rtt_s: null };
    this.#before = after;
    if (totalBytes(after) > totalBytes(before)) {
      this.#lastBytes_ms = now_ms;
      this.#connected = true;
      this.#failures = 0;
      this.#received = true;
      this.#report("receiving");
    } else if (!this.#expected) {
      if (session.connectionState === "connected") this.#report("quiet");
    } else {
      const silent_ms = now_ms - Math.max(this.#lastBytes_ms, this.#expectedSince_ms);
      const stall_ms = STALL_MS + RESTART_RTTS * (before.rtt_s ?? 0) * 1000;
      const patience_ms = this.#connected ? stall_ms : HANDSHAKES_MS;
      if (silent_ms >= (this.#suspect ? SUSPECT_STALL_MS : patience_ms)) {
        this.#failed(null);
        return;
      }
      if (silent_ms >= (this.#connected ? DOUBT_MS : HANDSHAKES_DOUBT_MS)) this.#restart(session);
      if (silent_ms >= LOST_MS && this.#received) this.#report("lost");
    }
    this.#events.stats(statsBetween(before, after));
  }

  /** Once for each time that the bytes stop. */
  #restart(session: WhepSession): void {
    if (this.#restartedAt_ms >= this.#lastBytes_ms) return;
    this.#restartedAt_ms = Date.now();
    session.restart().catch((error: unknown) => {
      // Nobody there may be nobody there for a moment; who does not know us will not know us later.
      if (session === this.#session && error instanceof Problem && error.status === 404) this.#failed(null);
    });
  }

  #failed(problem: Problem | null): void {
    const delay_ms = this.#delayAfter(problem);
    this.#failures += 1;
    this.#drop();
    if (problem !== null && problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
      this.#report("refused", problem);
    } else {
      this.#report(this.#received ? "lost" : "connecting", problem);
    }
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), delay_ms);
  }

  #delayAfter(problem: Problem | null): number {
    if (problem?.retryAfter_s != null) return Math.min(5, Math.max(0.5, problem.retryAfter_s)) * 1000;
    // 404 and 409 end by themselves when the control connection tells of a start (retryNow).
    if (problem !== null && problem.status >= 400 && problem.status < 500) return REFUSED_MS;
    return retryDelay_ms(this.#failures, BACKOFF, Math.random());
  }

  #drop(ended = false): void {
    clearTimeout(this.#sampleTimer);
    clearTimeout(this.#disconnectedTimer);
    const session = this.#session;
    this.#session = null;
    if (session === null) return;
    this.#events.closing();
    session.close(ended);
    this.#events.tracks(null);
  }

  #report(status: ReceiveStatus, problem: Problem | null = null): void {
    if (status === this.#status && problem === null) return;
    this.#status = status;
    this.#events.status(status, problem);
  }
}

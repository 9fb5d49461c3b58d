/** Sends camera and microphone for as long as it is wanted: starts WHIP sessions, watches them, starts again. */

import { retryDelay_ms, type Backoff } from "./backoff";
import { HANDSHAKES_DOUBT_MS, HANDSHAKES_MS, type MediaTarget } from "./media_session";
import { Problem } from "./problem";
import { WhipSession } from "./whip_session";

/** `idle`: not wanted. `connecting`: nothing arrives yet. `sending`: the server reports what it gets. `lost`: it did. */
export type SendStatus = "idle" | "connecting" | "sending" | "lost" | "refused";

export interface WhipEvents {
  status(status: SendStatus, problem: Problem | null): void;
}

const BACKOFF: Backoff = { first_ms: 300, max_ms: 2_000 };
const LOOK_MS = 500;
/** Reports come each second or so; without any for so long another path is looked for, then another session. */
const DOUBT_MS = 2_500;
const STALL_MS = 5_000;
/** The same when the server was out of reach: it may have been started anew, and know nothing of a session. */
const SUSPECT_MS = 2_000;
const REFUSED_MS = 10_000;

export class WhipClient {
  readonly #events: WhipEvents;
  #target: MediaTarget | null = null;
  #tracks: readonly MediaStreamTrack[] = [];
  #session: WhipSession | null = null;
  /** The present session has been connected: from then on there should be reports. */
  #connected = false;
  #reports = 0;
  #reportedAt_ms = 0;
  #restartedAt_ms = 0;
  #failures = 0;
  #sent = false;
  #status: SendStatus = "idle";
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #lookTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(events: WhipEvents) {
    this.#events = events;
  }

  /** Send these tracks there; a session that sends as many already goes on with them. */
  start(target: MediaTarget, tracks: readonly MediaStreamTrack[]): void {
    const wasIdle = this.#target === null;
    const kinds = (of: readonly MediaStreamTrack[]) => of.map((track) => track.kind).join();
    const sameKinds = kinds(tracks) === kinds(this.#tracks);
    this.#target = target;
    if (!wasIdle && sameKinds) {
      const changed = tracks.filter((track) => !this.#tracks.includes(track));
      this.#tracks = tracks;
      for (const track of changed) void this.#session?.replace(track).catch(() => this.#failed(null));
      return;
    }
    this.#tracks = tracks;
    this.#drop();
    clearTimeout(this.#retryTimer);
    this.#connect();
  }

  /** Stop sending: the lesson is over (`ended`: the server closes the session itself), or the page closes. */
  stop(ended = false): void {
    this.#target = null;
    this.#sent = false;
    this.#failures = 0;
    clearTimeout(this.#retryTimer);
    this.#drop(ended);
    this.#report("idle");
  }

  /** The server can be reached again: do not wait for the back-off, nor for a session that it may have forgotten. */
  retryNow(): void {
    if (this.#target === null) return;
    const heard = Date.now() - this.#reportedAt_ms <= SUSPECT_MS;
    if (this.#session !== null && this.#status === "sending" && heard) return;
    clearTimeout(this.#retryTimer);
    this.#failures = 0;
    this.#drop();
    this.#connect();
  }

  /** The server says that a session is over. */
  sessionEnded(session_id: string): void {
    if (!this.#session?.isOver(session_id)) return;
    this.#failures = 0;
    this.#drop(true);
    this.#failed(null);
  }

  #connect(): void {
    if (this.#target === null) return;
    const session = new WhipSession(this.#target);
    this.#session = session;
    this.#connected = false;
    this.#reports = 0;
    this.#reportedAt_ms = Date.now();
    this.#report(this.#sent ? "lost" : "connecting");
    session.onconnectionstatechange = () => this.#connectionChanged(session);
    session.open(this.#tracks).then(
      () => {
        if (session !== this.#session) return;
        this.#reportedAt_ms = Date.now();
        void this.#watch(session);
      },
      (error: unknown) => {
        if (session === this.#session) this.#failed(error instanceof Problem ? error : null);
      },
    );
  }

  #connectionChanged(session: WhipSession): void {
    if (session !== this.#session) return;
    switch (session.connectionState) {
      case "connected":
        if (!this.#connected) this.#reportedAt_ms = Date.now();
        this.#connected = true;
        break;
      case "failed":
      case "closed":
        this.#failed(null);
        break;
      default:
    }
  }

  async #watch(session: WhipSession): Promise<void> {
    const reports = await session.reports().catch(() => 0);
    if (session !== this.#session) return;
    const now_ms = Date.now();
    const silent_ms = now_ms - this.#reportedAt_ms;
    if (reports > this.#reports) {
      this.#reports = reports;
      this.#reportedAt_ms = now_ms;
      this.#connected = true;
      this.#failures = 0;
      this.#sent = true;
      this.#report("sending");
    } else if (silent_ms > (this.#connected ? STALL_MS : HANDSHAKES_MS)) {
      this.#failed(null);
      return;
    } else if (
      silent_ms > (this.#connected ? DOUBT_MS : HANDSHAKES_DOUBT_MS) &&
      this.#restartedAt_ms < this.#reportedAt_ms
    ) {
      this.#restartedAt_ms = now_ms;
      session.restart().catch((error: unknown) => {
        if (session === this.#session && error instanceof Problem && error.status === 404) this.#failed(null);
      });
    }
    this.#lookTimer = setTimeout(() => void this.#watch(session), LOOK_MS);
  }

  #failed(problem: Problem | null): void {
    const refused =
      problem !== null && problem.status >= 400 && problem.status < 500 && problem.status !== 429;
    const delay_ms = refused ? REFUSED_MS : retryDelay_ms(this.#failures, BACKOFF, Math.random());
    this.#failures += 1;
    this.#drop();
    this.#report(refused ? "refused" : this.#sent ? "lost" : "connecting", problem);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), delay_ms);
  }

  #drop(ended = false): void {
    clearTimeout(this.#lookTimer);
    const session = this.#session;
    this.#session = null;
    session?.close(ended);
  }

  #report(status: SendStatus, problem: Problem | null = null): void {
    if (status === this.#status && problem === null) return;
    this.#status = status;
    this.#events.status(status, problem);
  }
}

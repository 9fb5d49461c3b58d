/** The control WebSocket of one participant: connects, stays connected, keeps the lesson's state (docs/protocol.md §4). */

import { retryDelay_ms, type Backoff } from "./backoff";
import { applyMessage, SequenceGap, type LessonSnapshot } from "./lesson_state";
import type { ClientMessage, ErrorMessage, ServerMessage } from "./messages.gen";

export type ControlStatus = "connecting" | "connected" | "lost" | "refused";

export type RefusalCode = "unauthorized" | "forbidden" | "unknown_lesson";

export interface Refusal {
  code: RefusalCode;
  /** A sentence for people, from the server; may be empty. */
  detail: string;
}

export interface ControlEvents {
  status(status: ControlStatus, refusal: Refusal | null): void;
  state(state: LessonSnapshot): void;
  /** The clock of the server minus ours, in milliseconds; half the journey of the snapshot is ignored. */
  clockOffset(offset_ms: number): void;
  /** A media session of ours is over at the server, whatever the transport still believes. */
  sessionEnded(session_id: string): void;
}

export interface ControlOptions {
  url: string;
  token: string;
  name: string;
  events: ControlEvents;
  /** The WebSocket to use; tests and programs outside a browser bring their own. */
  socket?: (url: string) => WebSocket;
  timing?: Partial<ControlTiming>;
}

export interface ControlTiming {
  backoff: Backoff;
  ping_ms: number;
  /** Without any message for so long the connection is dead. */
  dead_ms: number;
  /** A refused terminal asks again: the clock or the key of the server may have been put right. */
  refused_ms: number;
  command_ms: number;
}

const TIMING: ControlTiming = {
  backoff: { first_ms: 500, max_ms: 1500 },
  ping_ms: 5_000,
  dead_ms: 10_000,
  refused_ms: 10_000,
  command_ms: 20_000,
};

const REFUSALS: Record<number, RefusalCode> = {
  4401: "unauthorized",
  4403: "forbidden",
  4404: "unknown_lesson",
};

/** A command was refused, or no answer came (`code` is then `lost` or `timeout`). */
export class CommandFailed extends Error {
  constructor(
    readonly code: ErrorMessage["code"] | "lost" | "timeout",
    readonly detail: string,
  ) {
    super(detail || code);
  }
}

interface PendingCommand {
  resolve: () => void;
  reject: (failure: CommandFailed) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class ControlClient {
  readonly #options: ControlOptions;
  readonly #timing: ControlTiming;
  readonly #pending = new Map<string, PendingCommand>();
  #socket: WebSocket | null = null;
  #state: LessonSnapshot | null = null;
  #failures = 0;
  #nextCommand = 1;
  #lastError: ErrorMessage | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  #deadTimer: ReturnType<typeof setTimeout> | undefined;
  #stopped = true;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#options.events.status("connecting", null);
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    this.#drop();
  }

  /** Something changed (the network came back): try at once instead of waiting for the back-off. */
  retryNow(): void {
    if (this.#stopped || this.#socket !== null) return;
    clearTimeout(this.#retryTimer);
    this.#connect();
  }

  /** Teacher: start the lesson. Rejects with CommandFailed. */
  startLesson(): Promise<void> {
    return this.#command("start_lesson");
  }

  /** Teacher: end the lesson for everybody. Rejects with CommandFailed. */
  endLesson(): Promise<void> {
    return this.#command("end_lesson");
  }

  /**
   * Teacher: show a publication (by name; null: the main one) as the programme, and let these participants be heard and
   * seen by all. Rejects with CommandFailed.
   */
  direct(programme: string | null, floor: string[]): Promise<void> {
    return this.#command("direct", { programme, floor });
  }

  #command(type: "start_lesson" | "end_lesson"): Promise<void>;
  #command(type: "direct", fields: { programme: string | null; floor: string[] }): Promise<void>;
  #command(type: "start_lesson" | "end_lesson" | "direct", fields: object = {}): Promise<void> {
    const id = String(this.#nextCommand++);
    return new Promise((resolve, reject) => {
      if (this.#state === null || this.#socket === null) {
        reject(new CommandFailed("lost", ""));
        return;
      }
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new CommandFailed("timeout", ""));
      }, this.#timing.command_ms);
      this.#pending.set(id, { resolve, reject, timer });
      this.#send({ ...fields, type, id } as ClientMessage);
    });
  }

  #connect(): void {
    const socket = (this.#options.socket ?? ((url) => new WebSocket(url)))(this.#options.url);
    this.#socket = socket;
    this.#lastError = null;
    // A path that swallows packets never says so: the handshake has a deadline like everything after it.
    this.#heard(socket);
    socket.onopen = () => {
      this.#send({ type: "hello", token: this.#options.token, name: this.#options.name });
      this.#pingTimer = setInterval(() => this.#send({ type: "ping" }), this.#timing.ping_ms);
    };
    socket.onmessage = (event) => {
      this.#heard(socket);
      this.#receive(socket, String(event.data));
    };
    socket.onclose = (event) => this.#closed(socket, event.code, event.reason);
  }

  #heard(socket: WebSocket): void {
    clearTimeout(this.#deadTimer);
    this.#deadTimer = setTimeout(() => this.#closed(socket, 0, ""), this.#timing.dead_ms);
  }

  #receive(socket: WebSocket, text: string): void {
    const message = JSON.parse(text) as ServerMessage;
    switch (message.type) {
      case "ping":
        this.#send({ type: "ping" });
        return;
      case "ack":
        this.#settle(message.id)?.resolve();
        return;
      case "error":
        if (message.id === null) this.#lastError = message;
        else this.#settle(message.id)?.reject(new CommandFailed(message.code, message.detail));
        return;
      case "snapshot":
        this.#failures = 0;
        this.#options.events.clockOffset(Date.parse(message.server_time) - Date.now());
        this.#apply(socket, message);
        this.#options.events.status("connected", null);
        return;
      case "session_ended":
        this.#apply(socket, message);
        this.#options.events.sessionEnded(message.session_id);
        return;
      default:
        this.#apply(socket, message);
    }
  }

  #apply(socket: WebSocket, message: ServerMessage): void {
    try {
      const next = applyMessage(this.#state, message);
      if (next === null || next === this.#state) return;
      this.#state = next;
      this.#options.events.state(next);
    } catch (error) {
      if (!(error instanceof SequenceGap)) throw error;
      console.warn("control: reconnecting,", error.message);
      this.#closed(socket, 0, "");
    }
  }

  #settle(id: string): PendingCommand | undefined {
    const command = this.#pending.get(id);
    if (command !== undefined) clearTimeout(command.timer);
    this.#pending.delete(id);
    return command;
  }

  #closed(socket: WebSocket, code: number, reason: string): void {
    if (socket !== this.#socket) return;
    this.#drop();
    const refused = REFUSALS[code];
    if (refused === undefined) {
      this.#options.events.status("lost", null);
    } else {
      const detail = this.#lastError?.detail ?? reason;
      this.#options.events.status("refused", { code: refused, detail });
    }
    const delay_ms =
      refused === undefined
        ? retryDelay_ms(this.#failures, this.#timing.backoff, Math.random())
        : this.#timing.refused_ms;
    this.#failures += 1;
    this.#retryTimer = setTimeout(() => this.#connect(), delay_ms);
  }

  /** Forget the connection and everything that belongs to it. */
  #drop(): void {
    clearInterval(this.#pingTimer);
    clearTimeout(this.#deadTimer);
    const socket = this.#socket;
    this.#socket = null;
    this.#state = null;
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(new CommandFailed("lost", ""));
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => undefined;
      socket.close();
    }
  }

  #send(message: ClientMessage): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }
}

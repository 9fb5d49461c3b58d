/** The control WebSocket of one participant: connects, stays connected, keeps the lesson's state (docs/protocol.md §4). */

import { retryDelay_ms, type Backoff } from "./backoff";
import { door, type Door } from "./door";
import { applyMessage, SequenceGap, type LessonSnapshot } from "./lesson_state";
import { CommandFailed, PendingCommands, type Command } from "./pending";
import { Problem } from "./problem";
import type { ClientMessage, ErrorMessage, FloorMode, Note, Report, ServerMessage } from "./messages.gen";
import type { TokenSource } from "./token";

export type ControlStatus = "connecting" | "connected" | "lost" | "refused";

/** `replaced`: more pages of us are open than may be, and this was the oldest. */
export type RefusalCode = "unauthorized" | "forbidden" | "unknown_lesson" | "replaced";

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
  /** The teacher has written to us. */
  note(note: Pick<Note, "text" | "at">): void;
  /** The teacher has set our loudspeakers, 0 to 100. */
  volume(volume: number): void;
}

export interface ControlOptions {
  url: string;
  token: TokenSource;
  name: string;
  events: ControlEvents;
  /** The WebSocket to use; tests and programs outside a browser bring their own. */
  socket?: (url: string) => WebSocket;
  door?: Door;
  timing?: Partial<ControlTiming>;
}

export interface ControlTiming {
  backoff: Backoff;
  ping_ms: number;
  /** Without any message for so long after a ping the connection is dead. */
  dead_ms: number;
  /** The same while it is being made: it may have to wait for a token. */
  opening_ms: number;
  /** A refused terminal asks again: the clock or the key of the server may have been put right. */
  refused_ms: number;
  /** Who fights for a place that another has taken throws that one out, and so on. */
  replaced_ms: number;
  command_ms: number;
  /** A lesson is live within 5 s, or something is wrong; its end waits for the recording. */
  start_ms: number;
}

const TIMING: ControlTiming = {
  backoff: { first_ms: 500, max_ms: 1500 },
  ping_ms: 2_000,
  dead_ms: 4_000,
  opening_ms: 10_000,
  refused_ms: 10_000,
  replaced_ms: 60_000,
  command_ms: 20_000,
  start_ms: 8_000,
};

/** The code with which a connection is closed that we give up: who leaves says 1000 or nothing. */
const GIVEN_UP = 4000;
/** By the code of the closing, which is 4000 more than the status of HTTP that says the same. */
const REFUSALS: Record<number, RefusalCode> = {
  4401: "unauthorized",
  4403: "forbidden",
  4404: "unknown_lesson",
  4409: "replaced",
};

type WithoutId<C> = C extends Command ? Omit<C, "id"> : never;

/**
 * Commands survive a connection: what is not answered when it breaks is said again, under the same id, as soon as there
 * is another, and done once. They reject with CommandFailed.
 */
export class ControlClient {
  readonly #options: ControlOptions;
  readonly #timing: ControlTiming;
  readonly #pending = new PendingCommands();
  /** Ids must be new after a reload, too: the server remembers those of the page before. */
  readonly #ids = Math.random().toString(36).slice(2, 10);
  #nextId = 1;
  #socket: WebSocket | null = null;
  /** The server has greeted us: it knows what we know. */
  #greeted = false;
  #state: LessonSnapshot | null = null;
  #stream: string | null = null;
  #report: Omit<Report, "type"> | null = null;
  #token: string | null = null;
  #tokenRefused = false;
  #failures = 0;
  #lastError: ErrorMessage | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  #deadTimer: ReturnType<typeof setTimeout> | undefined;
  #leaveDoor: () => void = () => undefined;
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
    this.#leaveDoor();
    this.#drop();
    this.#state = this.#stream = null;
    this.#pending.abandon();
  }

  /** Something changed (the network came back): try at once instead of waiting for the back-off. */
  retryNow(): void {
    if (this.#stopped || this.#socket !== null) return;
    this.#reconnect();
  }

  // --- what a teacher may do ---------------------------------------------------------------------------------

  startLesson(): Promise<void> {
    return this.#command({ type: "start_lesson" }, this.#timing.start_ms);
  }

  /** For everybody. */
  endLesson(): Promise<void> {
    return this.#command({ type: "end_lesson" });
  }

  /** Show a publication (by name; null: the main one) as the programme, and let these be heard and seen by all. */
  direct(programme: string | null, floor: string[]): Promise<void> {
    return this.#command({ type: "direct", programme, floor });
  }

  /** Show a classroom as the programme and let it be heard, alone or `beside` those who are. */
  callOn(participant_id: string, { beside = false } = {}): Promise<void> {
    return this.#command({ type: "call_on", participant_id, beside });
  }

  /** Take the floor back from a classroom, from all with null. A classroom gives back its own, whatever it says. */
  returnFloor(participant_id: string | null = null): Promise<void> {
    return this.#command({ type: "return_floor", participant_id });
  }

  setMode(mode: FloorMode): Promise<void> {
    return this.#command({ type: "set_mode", mode });
  }

  /** A classroom, or all with null. */
  mute(participant_id: string | null, muted: boolean): Promise<void> {
    return this.#command({ type: "mute", participant_id, muted });
  }

  /** Show a publication (by name; null: the main one) as the programme, whoever is heard. */
  spotlight(programme: string | null): Promise<void> {
    return this.#command({ type: "spotlight", programme });
  }

  /** Take down the hand of a classroom. */
  lowerHand(participant_id: string): Promise<void> {
    return this.#command({ type: "raise_hand", raised: false, participant_id });
  }

  /** To a classroom, to all with null; who is away gets it on coming back. */
  sendNote(text: string, participant_id: string | null = null): Promise<void> {
    return this.#command({ type: "send_note", text, participant_id });
  }

  /** How loud the loudspeakers of a classroom are, 0 to 100. */
  setVolume(participant_id: string, volume: number): Promise<void> {
    return this.#command({ type: "set_volume", participant_id, volume });
  }

  // --- what a classroom may do -------------------------------------------------------------------------------

  /** Its own. */
  raiseHand(raised: boolean): Promise<void> {
    return this.#command({ type: "raise_hand", raised });
  }

  /** What it says of itself; kept, and said again after a reconnect. Not answered. */
  report(report: Omit<Report, "type">): void {
    this.#report = report;
    if (this.#greeted) this.#send({ type: "report", ...report });
  }

  #command(fields: WithoutId<Command>, within_ms = this.#timing.command_ms): Promise<void> {
    if (this.#state === null) return Promise.reject(new CommandFailed("lost", ""));
    const command = { ...fields, id: `${this.#ids}-${this.#nextId++}` };
    const answered = this.#pending.add(command, within_ms);
    if (this.#greeted) this.#send(command);
    return answered;
  }

  #reconnect(): void {
    clearTimeout(this.#retryTimer);
    this.#leaveDoor();
    this.#leaveDoor = (this.#options.door ?? door).whenOpen(() => this.#connect());
  }

  #connect(): void {
    const socket = (this.#options.socket ?? ((url) => new WebSocket(url)))(this.#options.url);
    this.#socket = socket;
    this.#lastError = null;
    // A path that swallows packets never says so: the handshake has a deadline like everything after it.
    this.#expectWithin(socket, this.#timing.opening_ms);
    // Asked while the socket opens: neither waits for the other.
    const token = this.#options.token(this.#tokenRefused ? (this.#token ?? undefined) : undefined);
    token.catch((error: unknown) => {
      const problem = error instanceof Problem ? error : null;
      // 409: the lesson is not held (any more); that another page has our place is said by a connection only.
      const status = problem === null || problem.status === 409 ? 0 : problem.status;
      this.#closed(socket, 4000 + status, problem?.detail ?? "");
    });
    socket.onopen = () => {
      void token.then(
        (token) => this.#greet(socket, token),
        () => undefined,
      );
    };
    socket.onmessage = (event) => {
      clearTimeout(this.#deadTimer);
      this.#deadTimer = undefined;
      this.#receive(socket, String(event.data));
    };
    socket.onclose = (event) => this.#closed(socket, event.code, event.reason);
  }

  #greet(socket: WebSocket, token: string): void {
    if (socket !== this.#socket) return;
    this.#token = token;
    this.#tokenRefused = false;
    const known =
      this.#state === null || this.#stream === null ? {} : { stream: this.#stream, seq: this.#state.seq };
    this.#send({ type: "hello", token, name: this.#options.name, ...known });
    this.#pingTimer = setInterval(() => this.#ask(socket), this.#timing.ping_ms);
  }

  /** What counts is the time after a question: in a page in the background timers come late, and answers do not. */
  #ask(socket: WebSocket): void {
    this.#send({ type: "ping" });
    if (this.#deadTimer === undefined) this.#expectWithin(socket, this.#timing.dead_ms);
  }

  #expectWithin(socket: WebSocket, within_ms: number): void {
    clearTimeout(this.#deadTimer);
    this.#deadTimer = setTimeout(() => this.#closed(socket, 0, ""), within_ms);
  }

  #receive(socket: WebSocket, text: string): void {
    const message = JSON.parse(text) as ServerMessage;
    switch (message.type) {
      case "ping":
        this.#send({ type: "ping" });
        return;
      case "ack":
        this.#pending.resolve(message.id);
        return;
      case "error":
        if (message.id === null) this.#lastError = message;
        else this.#pending.reject(message.id, new CommandFailed(message.code, message.detail));
        return;
      case "snapshot":
        this.#stream = message.stream;
        this.#options.events.clockOffset(Date.parse(message.server_time) - Date.now());
        this.#apply(socket, message);
        this.#welcomed();
        return;
      case "resumed":
        this.#welcomed();
        return;
      case "session_ended":
        if (this.#apply(socket, message)) this.#options.events.sessionEnded(message.session_id);
        return;
      case "note":
        if (this.#apply(socket, message)) this.#options.events.note({ text: message.text, at: message.at });
        return;
      case "volume_set":
        if (this.#apply(socket, message)) this.#options.events.volume(message.volume);
        return;
      default:
        this.#apply(socket, message);
    }
  }

  /** The server has told what it knows; now it is told what it may have missed. A snapshot may also come later. */
  #welcomed(): void {
    if (this.#greeted) return;
    this.#greeted = true;
    this.#failures = 0;
    this.#options.events.status("connected", null);
    if (this.#report !== null) this.#send({ type: "report", ...this.#report });
    for (const command of this.#pending.commands) this.#send(command);
  }

  /** Whether the message follows on from what we know. */
  #apply(socket: WebSocket, message: ServerMessage): boolean {
    try {
      const next = applyMessage(this.#state, message);
      if (next === null || next === this.#state) return true;
      this.#state = next;
      this.#options.events.state(next);
      return true;
    } catch (error) {
      if (!(error instanceof SequenceGap)) throw error;
      console.warn("control: reconnecting,", error.message);
      this.#stream = null; // what we know cannot be gone on with
      this.#closed(socket, 0, "");
      return false;
    }
  }

  #closed(socket: WebSocket, code: number, reason: string): void {
    if (socket !== this.#socket) return;
    this.#drop(GIVEN_UP);
    const refused = REFUSALS[code];
    this.#tokenRefused = refused === "unauthorized";
    if (refused === undefined) {
      this.#options.events.status("lost", null);
    } else {
      const detail = this.#lastError?.detail ?? reason;
      this.#options.events.status("refused", { code: refused, detail });
    }
    // The first time another token may be all that it takes.
    const { backoff, refused_ms, replaced_ms } = this.#timing;
    const delay_ms =
      refused === "replaced"
        ? retryDelay_ms(0, { first_ms: replaced_ms, max_ms: replaced_ms }, Math.random())
        : refused === undefined || this.#failures === 0
          ? retryDelay_ms(this.#failures, backoff, Math.random())
          : refused_ms;
    this.#failures += 1;
    this.#retryTimer = setTimeout(() => this.#reconnect(), delay_ms);
  }

  /** Forget the connection; what we know of the lesson and what we have commanded outlives it. */
  #drop(code?: number): void {
    clearInterval(this.#pingTimer);
    clearTimeout(this.#deadTimer);
    this.#deadTimer = undefined;
    const socket = this.#socket;
    this.#socket = null;
    this.#greeted = false;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => undefined;
      socket.close(code);
    }
  }

  #send(message: ClientMessage): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }
}

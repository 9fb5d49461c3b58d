/** The WebSocket of a paired device: connects, stays connected, keeps its agenda (docs/protocol.md §7). */

import { retryDelay_ms, type Backoff } from "./backoff";
import { door, type Door } from "./door";
import type { Agenda, DeviceClientMessage, DeviceReport, DeviceServerMessage } from "./device_messages.gen";

/**
 * `unpaired`: the server does not know this device, or does not any more; it is to be paired, and asks no longer.
 * `lost`: trying to get the connection back. `replaced`: more pages of this device are open than may be, and this was
 * the oldest; it tries again after a minute.
 */
export type DeviceStatus = "connecting" | "connected" | "lost" | "replaced" | "unpaired";

export interface DeviceEvents {
  status(status: DeviceStatus): void;
  agenda(agenda: Agenda): void;
  /** How loud to be, 0 to 100; null leaves it to the room. */
  volume(volume: number | null): void;
  /** The clock of the server minus ours, in milliseconds; half the journey of the agenda is ignored. */
  clockOffset(offset_ms: number): void;
}

export interface DeviceOptions {
  url: string;
  events: DeviceEvents;
  /** The WebSocket to use; tests and programs outside a browser bring their own. */
  socket?: (url: string) => WebSocket;
  door?: Door;
  timing?: Partial<DeviceTiming>;
}

export interface DeviceTiming {
  backoff: Backoff;
  /** A server that comes back finds all its devices within so long, one after the other. */
  spread_ms: number;
  ping_ms: number;
  /** Who fights for a place that another has taken throws that one out, and so on. */
  replaced_ms: number;
  /** Without any message for so long the connection is dead. */
  dead_ms: number;
  /** The same when something happened that may have broken it. */
  doubt_ms: number;
  /** The same while it is being made: a server that has just started answers when it knows the day. */
  opening_ms: number;
  /** Reports are sent no more often; the last one counts. */
  report_ms: number;
}

const TIMING: DeviceTiming = {
  backoff: { first_ms: 500, max_ms: 1_500 },
  spread_ms: 1_000,
  ping_ms: 15_000,
  replaced_ms: 60_000,
  dead_ms: 25_000,
  doubt_ms: 3_000,
  opening_ms: 10_000,
  report_ms: 1_000,
};

const UNAUTHORIZED = 4401;
const REPLACED = 4409;

export class DeviceClient {
  readonly #options: DeviceOptions;
  readonly #timing: DeviceTiming;
  #socket: WebSocket | null = null;
  #failures = 0;
  #report: DeviceReport | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #reportTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  #deadTimer: ReturnType<typeof setTimeout> | undefined;
  #leaveDoor: () => void = () => undefined;
  #stopped = true;

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
  }

  /** Connect; also after the device has been paired anew. */
  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#failures = 0;
    this.#options.events.status("connecting");
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    this.#leaveDoor();
    this.#drop();
  }

  /** Something changed (the network came back): try at once, and doubt a connection that seems to stand. */
  retryNow(): void {
    if (this.#stopped) return;
    if (this.#socket === null) {
      this.#reconnect();
    } else {
      this.#send({ type: "ping" });
      this.#expectWithin(this.#socket, this.#timing.doubt_ms);
    }
  }

  /** Tell the server how the device is, now and after every reconnect; replaces what was told before. */
  report(report: DeviceReport): void {
    this.#report = report;
    this.#reportTimer ??= setTimeout(() => {
      this.#reportTimer = undefined;
      this.#sendReport();
    }, this.#timing.report_ms);
  }

  #reconnect(): void {
    clearTimeout(this.#retryTimer);
    this.#leaveDoor();
    this.#leaveDoor = (this.#options.door ?? door).whenOpen(() => {
      this.#retryTimer = setTimeout(() => this.#connect(), this.#timing.spread_ms * Math.random());
    });
  }

  #connect(): void {
    const socket = (this.#options.socket ?? ((url) => new WebSocket(url)))(this.#options.url);
    this.#socket = socket;
    // A path that swallows packets never says so: the handshake has a deadline like everything after it.
    this.#expectWithin(socket, this.#timing.opening_ms);
    socket.onopen = () => {
      this.#pingTimer = setInterval(() => this.#send({ type: "ping" }), this.#timing.ping_ms);
      this.#sendReport();
    };
    socket.onmessage = (event) => {
      this.#expectWithin(socket, this.#timing.dead_ms);
      this.#receive(socket, String(event.data));
    };
    socket.onclose = (event) => this.#closed(socket, event.code);
  }

  #expectWithin(socket: WebSocket, within_ms: number): void {
    clearTimeout(this.#deadTimer);
    this.#deadTimer = setTimeout(() => this.#closed(socket, 0), within_ms);
  }

  #receive(socket: WebSocket, text: string): void {
    const message = JSON.parse(text) as DeviceServerMessage;
    switch (message.type) {
      case "agenda":
        this.#failures = 0;
        this.#options.events.clockOffset(Date.parse(message.server_time) - Date.now());
        this.#options.events.agenda(message);
        this.#options.events.status("connected");
        return;
      case "configure":
        this.#options.events.volume(message.volume);
        return;
      case "revoked":
        this.#closed(socket, UNAUTHORIZED);
        return;
      case "error":
        console.warn("device:", message.code, message.detail);
        return;
      case "pong":
    }
  }

  #closed(socket: WebSocket, code: number): void {
    if (socket !== this.#socket) return;
    this.#drop();
    if (code === UNAUTHORIZED) {
      this.#stopped = true;
      this.#options.events.status("unpaired");
      return;
    }
    const { backoff, replaced_ms } = this.#timing;
    const replaced = code === REPLACED;
    this.#options.events.status(replaced ? "replaced" : "lost");
    const delay_ms = replaced
      ? retryDelay_ms(0, { first_ms: replaced_ms, max_ms: replaced_ms }, Math.random())
      : retryDelay_ms(this.#failures, backoff, Math.random());
    this.#failures += 1;
    this.#retryTimer = setTimeout(() => this.#reconnect(), delay_ms);
  }

  /** Forget the connection and everything that belongs to it. */
  #drop(): void {
    clearInterval(this.#pingTimer);
    clearTimeout(this.#deadTimer);
    clearTimeout(this.#reportTimer);
    this.#reportTimer = undefined;
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => undefined;
      socket.close();
    }
  }

  #sendReport(): void {
    if (this.#report !== null) this.#send(this.#report);
  }

  #send(message: DeviceClientMessage): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }
}

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket as NodeSocket, WebSocketServer, type WebSocket as ServerSocket } from "ws";
import { CommandFailed, ControlClient, type ControlTiming, type Refusal } from "../src/protocol/control";
import type { LessonSnapshot } from "../src/protocol/lesson_state";
import type { ClientMessage, ServerMessage } from "../src/protocol/messages.gen";
import { lesson, snapshot } from "./messages";

/** A queue that a test can wait on: no sleeping. */
class Inbox<T> {
  readonly #items: T[] = [];
  readonly #takers: ((item: T) => void)[] = [];

  put(item: T): void {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  take(): Promise<T> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift() as T);
    return new Promise((resolve) => this.#takers.push(resolve));
  }
}

const QUICK: Partial<ControlTiming> = {
  backoff: { first_ms: 5, max_ms: 20 },
  ping_ms: 60_000,
  dead_ms: 60_000,
  refused_ms: 5,
  command_ms: 60_000,
};

/** One accepted connection, seen from the server. */
class Peer {
  readonly inbox = new Inbox<ClientMessage>();
  readonly closed: Promise<unknown>;

  constructor(readonly socket: ServerSocket) {
    socket.on("message", (data: Buffer) => this.inbox.put(JSON.parse(data.toString()) as ClientMessage));
    this.closed = once(socket, "close");
  }

  send(message: ServerMessage): void {
    this.socket.send(JSON.stringify(message));
  }
}

let server: WebSocketServer;
let peers: Inbox<Peer>;
let states: Inbox<LessonSnapshot>;
let statuses: Inbox<[string, Refusal | null]>;
let offsets: Inbox<number>;
let ended: Inbox<string>;
let client: ControlClient;

function makeClient(timing: Partial<ControlTiming> = {}): ControlClient {
  client = new ControlClient({
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/math-3`,
    token: "the.token.here",
    name: "大足二小",
    events: {
      status: (status, refusal) => statuses.put([status, refusal]),
      state: (state) => states.put(state),
      clockOffset: (offset_ms) => offsets.put(offset_ms),
      sessionEnded: (session_id) => ended.put(session_id),
    },
    socket: (url) => new NodeSocket(url) as unknown as WebSocket,
    timing: { ...QUICK, ...timing },
  });
  client.start();
  return client;
}

beforeEach(async () => {
  peers = new Inbox();
  states = new Inbox();
  statuses = new Inbox();
  ended = new Inbox();
  offsets = new Inbox();
  server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => peers.put(new Peer(socket)));
  await once(server, "listening");
});

afterEach(() => {
  client.stop();
  for (const socket of server.clients) socket.terminate();
  server.close();
});

describe("ControlClient", () => {
  it("says hello and hands out the state", async () => {
    makeClient();
    const peer = await peers.take();
    expect(await peer.inbox.take()).toEqual({ type: "hello", token: "the.token.here", name: "大足二小" });
    peer.send(snapshot());
    expect(await states.take()).toMatchObject({ you: "me", lesson: { state: "live" } });
    expect(await statuses.take()).toEqual(["connecting", null]);
    expect(await statuses.take()).toEqual(["connected", null]);
    expect(Math.abs((await offsets.take()) - (Date.parse(snapshot().server_time) - Date.now()))).toBeLessThan(
      5_000,
    );
    peer.send({ type: "lesson_changed", seq: 2, lesson: lesson({ state: "ended" }) });
    expect(await states.take()).toMatchObject({ seq: 2, lesson: { state: "ended" } });
  });

  it("says which media session the server has ended", async () => {
    makeClient();
    const peer = await peers.take();
    peer.send(snapshot());
    peer.send({ type: "session_ended", seq: 2, session_id: "s1", reason: "its media process died" });
    expect(await ended.take()).toBe("s1");
    peer.send({ type: "lesson_changed", seq: 3, lesson: lesson({ state: "ended" }) });
    await states.take();
    await states.take();
    expect(await states.take()).toMatchObject({ seq: 3 });
  });

  it("reconnects when a delta is missing", async () => {
    makeClient();
    const first = await peers.take();
    first.send(snapshot());
    first.send({ type: "lesson_changed", seq: 3, lesson: lesson({ state: "ended" }) });
    await first.closed;
    const second = await peers.take();
    expect(await second.inbox.take()).toMatchObject({ type: "hello" });
    second.send(snapshot({ seq: 1, you: "again" }));
    expect(await states.take()).toMatchObject({ you: "me" });
    expect(await states.take()).toMatchObject({ you: "again", lesson: { state: "live" } });
  });

  it("comes back after the server dropped the connection", async () => {
    makeClient();
    const first = await peers.take();
    first.send(snapshot());
    await states.take();
    first.socket.terminate();
    const second = await peers.take();
    second.send(snapshot({ you: "back" }));
    expect(await states.take()).toMatchObject({ you: "back" });
    const seen = [await statuses.take(), await statuses.take(), await statuses.take(), await statuses.take()];
    expect(seen.map(([status]) => status)).toEqual(["connecting", "connected", "lost", "connected"]);
  });

  it("gives up a connection that has gone quiet", async () => {
    makeClient({ ping_ms: 10, dead_ms: 60 });
    const quiet = await peers.take();
    quiet.send(snapshot());
    expect(await quiet.inbox.take()).toMatchObject({ type: "hello" });
    expect(await quiet.inbox.take()).toEqual({ type: "ping" });
    await quiet.closed;
    expect(await (await peers.take()).inbox.take()).toMatchObject({ type: "hello" });
  });

  it("tells why it was refused, and asks again", async () => {
    makeClient();
    const peer = await peers.take();
    peer.send({ type: "error", id: null, code: "unauthorized", detail: "令牌过期 expired" });
    peer.socket.close(4401);
    await statuses.take();
    expect(await statuses.take()).toEqual(["refused", { code: "unauthorized", detail: "令牌过期 expired" }]);
    expect(await (await peers.take()).inbox.take()).toMatchObject({ type: "hello" });
  });

  it("settles commands by their id", async () => {
    makeClient();
    const peer = await peers.take();
    await peer.inbox.take();
    peer.send(snapshot());
    await states.take();
    const [started, ended] = [client.startLesson(), client.endLesson()];
    const [start, end] = [await peer.inbox.take(), await peer.inbox.take()];
    if (start.type !== "start_lesson" || end.type !== "end_lesson") throw new Error("other messages came");
    peer.send({ type: "error", id: end.id, code: "forbidden", detail: "只有老师 teachers only" });
    peer.send({ type: "ack", id: start.id });
    await expect(ended).rejects.toMatchObject({ code: "forbidden", detail: "只有老师 teachers only" });
    await started;
  });

  it("fails commands that the connection took with it", async () => {
    makeClient();
    const peer = await peers.take();
    await peer.inbox.take();
    peer.send(snapshot());
    await states.take();
    const ended = client.endLesson();
    const failed = expect(ended).rejects.toBeInstanceOf(CommandFailed);
    await peer.inbox.take();
    peer.socket.terminate();
    await failed;
    await expect(ended).rejects.toMatchObject({ code: "lost" });
  });
});

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket as NodeSocket, WebSocketServer, type WebSocket as ServerSocket } from "ws";
import { ControlClient, type ControlTiming, type Refusal } from "../src/protocol/control";
import { Door } from "../src/protocol/door";
import type { LessonSnapshot } from "../src/protocol/lesson_state";
import type { ClientMessage, ServerMessage } from "../src/protocol/messages.gen";
import { CommandFailed } from "../src/protocol/pending";
import { Problem } from "../src/protocol/problem";
import { Inbox } from "./inbox";
import { lesson, participant, snapshot } from "./messages";

const QUICK: Partial<ControlTiming> = {
  backoff: { first_ms: 5, max_ms: 20 },
  ping_ms: 60_000,
  dead_ms: 60_000,
  opening_ms: 60_000,
  refused_ms: 5,
  command_ms: 60_000,
  start_ms: 60_000,
};

/** One accepted connection, seen from the server. */
class Peer {
  readonly inbox = new Inbox<ClientMessage>();
  readonly closed: Promise<unknown[]>;

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
let notes: Inbox<string>;
let volumes: Inbox<number>;
let refusedTokens: (string | undefined)[];
let token: () => Promise<string>;
let client: ControlClient;

function makeClient(timing: Partial<ControlTiming> = {}): ControlClient {
  client = new ControlClient({
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/math-3`,
    token: (refused) => {
      refusedTokens.push(refused);
      return token();
    },
    name: "大足二小",
    events: {
      status: (status, refusal) => statuses.put([status, refusal]),
      state: (state) => states.put(state),
      clockOffset: (offset_ms) => offsets.put(offset_ms),
      sessionEnded: (session_id) => ended.put(session_id),
      note: (note) => notes.put(note.text),
      volume: (volume) => volumes.put(volume),
    },
    socket: (url) => new NodeSocket(url) as unknown as WebSocket,
    door: new Door(() => Promise.resolve(true)),
    timing: { ...QUICK, ...timing },
  });
  client.start();
  return client;
}

/** A client that has its first snapshot, whose seq is 1. */
async function connected(timing: Partial<ControlTiming> = {}): Promise<Peer> {
  makeClient(timing);
  const peer = await peers.take();
  await peer.inbox.take();
  peer.send(snapshot());
  await states.take();
  return peer;
}

async function statusBecomes(wanted: string): Promise<void> {
  for (;;) if ((await statuses.take())[0] === wanted) return;
}

beforeEach(async () => {
  peers = new Inbox();
  states = new Inbox();
  statuses = new Inbox();
  ended = new Inbox();
  notes = new Inbox();
  volumes = new Inbox();
  refusedTokens = [];
  token = () => Promise.resolve("the.token.here");
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
  it("does not fight for a place that another page has taken, and says so", async () => {
    makeClient({ replaced_ms: 300 });
    const peer = await peers.take();
    await peer.inbox.take();
    const gone_ms = performance.now();
    peer.send({ type: "error", code: "busy", detail: "这里打开的页面太多。", id: null });
    peer.socket.close(4409);
    expect((await statuses.take())[0]).toBe("connecting");
    expect(await statuses.take()).toEqual(["refused", { code: "replaced", detail: "这里打开的页面太多。" }]);
    await peers.take();
    expect(performance.now() - gone_ms).toBeGreaterThan(200);
  });

  it("does not take a lesson that was called off for pages that are too many", async () => {
    token = () => Promise.reject(new Problem(409, "lesson_cancelled", "这节课已取消。"));
    makeClient({ replaced_ms: 60_000 });
    expect(await statuses.take()).toEqual(["connecting", null]);
    expect(await statuses.take()).toEqual(["lost", null]);
    token = () => Promise.resolve("the.token.here"); // it takes place after all
    expect(await (await peers.take()).inbox.take()).toMatchObject({ type: "hello" });
  });

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
    expect((await quiet.closed)[0]).toBe(4000); // and not as who leaves
    expect(await (await peers.take()).inbox.take()).toMatchObject({ type: "hello" });
  });

  it("takes no silence for death that it has not asked about: in the background its timers come late", async () => {
    const peer = await connected({ dead_ms: 1 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    peer.send({ type: "lesson_changed", seq: 2, lesson: lesson({ page: 2 }) });
    expect(await states.take()).toMatchObject({ lesson: { page: 2 } });
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

  it("goes on where it was when the server still knows what it knew", async () => {
    const first = await connected();
    first.send({ type: "participant_changed", seq: 2, participant: participant("a") });
    await states.take();
    first.socket.terminate();
    const second = await peers.take();
    expect(await second.inbox.take()).toMatchObject({ type: "hello", stream: "s", seq: 2 });
    second.send({ type: "resumed", stream: "s" });
    second.send({ type: "participant_changed", seq: 3, participant: participant("b") });
    expect((await states.take()).participants.map((p) => p.id)).toEqual(["a", "b"]);
    const seen = [await statuses.take(), await statuses.take(), await statuses.take(), await statuses.take()];
    expect(seen.map(([status]) => status)).toEqual(["connecting", "connected", "lost", "connected"]);
  });

  it("asks for everything anew after a gap", async () => {
    const first = await connected();
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    first.send({ type: "lesson_changed", seq: 7, lesson: lesson() });
    const second = await peers.take();
    expect(await second.inbox.take()).toEqual({ type: "hello", token: "the.token.here", name: "大足二小" });
    expect(warn).toHaveBeenCalled();
    warn.mockRestore();
  });

  it("repeats under the same id what the connection took with it, and what was said meanwhile", async () => {
    const first = await connected();
    const called = client.callOn("east");
    const before = await first.inbox.take();
    first.socket.terminate();
    await statusBecomes("lost");
    const muted = client.mute(null, true);
    const second = await peers.take();
    await second.inbox.take();
    second.send({ type: "resumed", stream: "s" });
    expect(await second.inbox.take()).toEqual(before);
    const after = await second.inbox.take();
    expect(after).toMatchObject({ type: "mute", participant_id: null, muted: true });
    for (const message of [before, after]) {
      if (!("id" in message)) throw new Error("no command");
      second.send({ type: "ack", id: message.id });
    }
    await Promise.all([called, muted]);
  });

  it("gives commands ids that another page of the same person does not", async () => {
    const ids = [];
    for (let page = 0; page < 2; page += 1) {
      const peer = await connected();
      client.endLesson().catch(() => undefined);
      const message = await peer.inbox.take();
      ids.push("id" in message ? message.id : "");
      client.stop();
    }
    expect(new Set(ids).size).toBe(2);
  });

  it("fails commands that are not answered in time, or when it is stopped", async () => {
    await connected({ command_ms: 20 });
    await expect(client.raiseHand(true)).rejects.toMatchObject({ code: "timeout" });
    client.stop();
    await connected();
    const muted = expect(client.mute("east", true)).rejects.toBeInstanceOf(CommandFailed);
    client.stop();
    await muted;
    await expect(client.setVolume("east", 40)).rejects.toMatchObject({ code: "lost" });
  });

  it("says what each command is", async () => {
    const peer = await connected();
    const said: [() => Promise<void>, object][] = [
      [() => client.direct("camera-east", ["east"]), { type: "direct", programme: "camera-east" }],
      [() => client.callOn("east", { beside: true }), { type: "call_on", beside: true }],
      [() => client.returnFloor(), { type: "return_floor", participant_id: null }],
      [() => client.setMode("discuss"), { type: "set_mode", mode: "discuss" }],
      [() => client.spotlight(null), { type: "spotlight", programme: null }],
      [() => client.lowerHand("east"), { type: "raise_hand", raised: false, participant_id: "east" }],
      [() => client.raiseHand(true), { type: "raise_hand", raised: true }],
      [() => client.sendNote("请检查麦克风"), { type: "send_note", text: "请检查麦克风" }],
      [() => client.setVolume("east", 40), { type: "set_volume", participant_id: "east", volume: 40 }],
    ];
    for (const [command, fields] of said) {
      const done = command();
      const message = await peer.inbox.take();
      expect(message).toMatchObject(fields);
      if ("id" in message) peer.send({ type: "ack", id: message.id });
      await done;
    }
  });

  it("hands out notes and volumes once", async () => {
    const first = await connected();
    first.send({ type: "note", seq: 2, text: "请检查麦克风", at: "" });
    first.send({ type: "volume_set", seq: 3, volume: 40 });
    expect([await notes.take(), await volumes.take()]).toEqual(["请检查麦克风", 40]);
    first.socket.terminate();
    const second = await peers.take();
    expect(await second.inbox.take()).toMatchObject({ stream: "s", seq: 3 });
  });

  it("says its report again after a reconnect", async () => {
    const first = await connected();
    client.report({ children: 31, camera: true, faults: [] });
    expect(await first.inbox.take()).toEqual({ type: "report", children: 31, camera: true, faults: [] });
    first.socket.terminate();
    const second = await peers.take();
    await second.inbox.take();
    second.send(snapshot());
    expect(await second.inbox.take()).toEqual({ type: "report", children: 31, camera: true, faults: [] });
  });

  it("says so when nobody gives us tokens any more, and asks again in no hurry", async () => {
    token = () => Promise.reject(new Problem(401, "unauthorized", "请重新登录"));
    makeClient();
    expect(await statuses.take()).toEqual(["connecting", null]);
    expect(await statuses.take()).toEqual(["refused", { code: "unauthorized", detail: "请重新登录" }]);
    token = () => Promise.reject(new Problem(0, "unreachable", ""));
    await statusBecomes("lost");
    token = () => Promise.resolve("another.token.now");
    expect(await (await peers.take()).inbox.take()).toMatchObject({ type: "hello" });
  });

  it("asks for another token when one was refused, and waits for whoever gives them", async () => {
    makeClient();
    const first = await peers.take();
    await first.inbox.take();
    first.socket.close(4401);
    let give: (token: string) => void = () => undefined;
    token = () => new Promise((resolve) => (give = resolve));
    const second = await peers.take();
    expect(refusedTokens).toEqual([undefined, "the.token.here"]);
    const pong = once(second.socket, "pong");
    second.socket.ping();
    await pong;
    give("another");
    expect(await second.inbox.take()).toMatchObject({ type: "hello", token: "another" });
    second.socket.terminate();
    let asked = 0;
    token = () => ((asked += 1) === 1 ? Promise.reject(new Error("away")) : Promise.resolve("a third"));
    expect(await (await peers.take()).inbox.take()).toMatchObject({ token: "a third" });
  });
});

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket as NodeSocket, WebSocketServer, type WebSocket as ServerSocket } from "ws";
import { DeviceClient, type DeviceStatus, type DeviceTiming } from "../src/protocol/device";
import { Door } from "../src/protocol/door";
import type { Agenda, DeviceReport, DeviceServerMessage } from "../src/protocol/device_messages.gen";
import { Inbox } from "./inbox";

const QUICK: Partial<DeviceTiming> = {
  backoff: { first_ms: 5, max_ms: 20 },
  spread_ms: 5,
  ping_ms: 60_000,
  dead_ms: 60_000,
  doubt_ms: 60_000,
  opening_ms: 60_000,
  report_ms: 1,
};

const agenda = (change: Partial<Agenda> = {}): Agenda => ({
  type: "agenda",
  you: "d1",
  classroom: { id: 1, name: "三年级教室", school: "山坪小学" },
  server_time: "2026-09-01T00:50:00.000Z",
  phase: "idle",
  lesson: null,
  next: null,
  ...change,
});

const report = (children: number): DeviceReport => ({
  type: "report",
  version: "1",
  checks: { camera: { ok: true, text: "" }, slides: null, microphone: null, loudspeaker: null, link: null },
  children,
});

/** One accepted connection, seen from the server. */
class Peer {
  readonly inbox = new Inbox<unknown>();
  readonly closed: Promise<unknown>;

  constructor(readonly socket: ServerSocket) {
    socket.on("message", (data: Buffer) => this.inbox.put(JSON.parse(data.toString())));
    this.closed = once(socket, "close");
  }

  send(message: DeviceServerMessage): void {
    this.socket.send(JSON.stringify(message));
  }
}

let server: WebSocketServer;
let peers: Inbox<Peer>;
let agendas: Inbox<Agenda>;
let statuses: Inbox<DeviceStatus>;
let volumes: Inbox<number | null>;
let offsets: Inbox<number>;
let client: DeviceClient;

function makeClient(timing: Partial<DeviceTiming> = {}): DeviceClient {
  client = new DeviceClient({
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/device`,
    events: {
      status: (status) => statuses.put(status),
      agenda: (next) => agendas.put(next),
      volume: (volume) => volumes.put(volume),
      clockOffset: (offset_ms) => offsets.put(offset_ms),
    },
    socket: (url) => new NodeSocket(url) as unknown as WebSocket,
    door: new Door(() => Promise.resolve(true)),
    timing: { ...QUICK, ...timing },
  });
  client.start();
  return client;
}

beforeEach(async () => {
  peers = new Inbox();
  agendas = new Inbox();
  statuses = new Inbox();
  volumes = new Inbox();
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

describe("DeviceClient", () => {
  it("hands out the agenda, the volume and the clock", async () => {
    makeClient();
    const peer = await peers.take();
    peer.send({ type: "configure", volume: 60 });
    peer.send(agenda({ phase: "standby" }));
    expect(await agendas.take()).toMatchObject({ phase: "standby", you: "d1" });
    expect(await volumes.take()).toBe(60);
    expect(Math.abs((await offsets.take()) - (Date.parse(agenda().server_time) - Date.now()))).toBeLessThan(
      5_000,
    );
    expect([await statuses.take(), await statuses.take()]).toEqual(["connecting", "connected"]);
  });

  it("comes back and tells again how it is", async () => {
    makeClient().report(report(30));
    const first = await peers.take();
    expect(await first.inbox.take()).toMatchObject({ children: 30 });
    client.report(report(31));
    expect(await first.inbox.take()).toMatchObject({ children: 31 });
    first.send(agenda());
    await agendas.take();
    first.socket.terminate();
    const second = await peers.take();
    expect(await second.inbox.take()).toMatchObject({ children: 31 });
    second.send(agenda({ phase: "live" }));
    expect(await agendas.take()).toMatchObject({ phase: "live" });
    expect([await statuses.take(), await statuses.take(), await statuses.take()]).toEqual([
      "connecting",
      "connected",
      "lost",
    ]);
    expect(await statuses.take()).toBe("connected");
  });

  it("sends the last of many reports", async () => {
    makeClient({ report_ms: 30 });
    const peer = await peers.take();
    peer.send(agenda());
    await agendas.take();
    for (const children of [1, 2, 3]) client.report(report(children));
    expect(await peer.inbox.take()).toMatchObject({ children: 3 });
  });

  it.each([
    ["a message", (peer: Peer) => peer.send({ type: "revoked" })],
    ["a close code", (peer: Peer) => peer.socket.close(4401)],
  ])("asks no more once it is revoked by %s, until it is started again", async (_, revoke) => {
    makeClient();
    const peer = await peers.take();
    revoke(peer);
    await peer.closed;
    expect([await statuses.take(), await statuses.take()]).toEqual(["connecting", "unpaired"]);
    client.start();
    (await peers.take()).send(agenda());
    expect(await agendas.take()).toMatchObject({ you: "d1" });
  });

  it("does not fight for a place that another page of the device has taken", async () => {
    makeClient({ replaced_ms: 300 });
    const peer = await peers.take();
    const gone_ms = performance.now();
    peer.socket.close(4409);
    expect([await statuses.take(), await statuses.take()]).toEqual(["connecting", "replaced"]);
    (await peers.take()).send(agenda());
    expect(performance.now() - gone_ms).toBeGreaterThan(200); // a lost one is looked for after 20 ms at most
    expect(await statuses.take()).toBe("connected");
  });

  it("leaves a connection on which nothing comes", async () => {
    makeClient({ dead_ms: 40 });
    const silent = await peers.take();
    silent.send(agenda());
    await silent.closed;
    await peers.take();
  });

  it("asks a connection that is in doubt, and keeps one that answers", async () => {
    makeClient({ doubt_ms: 2_000 });
    const peer = await peers.take();
    peer.send(agenda());
    await agendas.take();
    client.retryNow();
    expect(await peer.inbox.take()).toEqual({ type: "ping" });
    peer.send({ type: "pong" });
    peer.send(agenda());
    await agendas.take();
    client.retryNow();
    expect(await peer.inbox.take()).toEqual({ type: "ping" });
    await peer.closed; // this time it was not answered
    await peers.take();
  });
});

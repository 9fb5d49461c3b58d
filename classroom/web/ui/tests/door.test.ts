import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { Door } from "../src/protocol/door";
import { Inbox } from "./inbox";

const PACE_MS = 20;

let server: Server | null = null;
let asked = new Inbox<ServerResponse>();

/** A server that answers when the test does. */
async function listen(port = 0): Promise<number> {
  asked = new Inbox();
  server = createServer((_, response) => asked.put(response));
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function close(): Promise<void> {
  if (server === null) return;
  const closed = once(server, "close");
  server.closeAllConnections();
  server.close();
  await closed;
  server = null;
}

const doorTo = (port: number) =>
  new Door(async (signal) => {
    try {
      return (await fetch(`http://127.0.0.1:${port}/healthz`, { signal })).ok;
    } catch {
      return false;
    }
  }, PACE_MS);

const opened = (door: Door) => new Promise<void>((resolve) => void door.whenOpen(resolve));

afterEach(close);

it("opens when a server that was away answers, for all who wait", async () => {
  const port = await listen();
  await close();
  const door = doorTo(port);
  const both = Promise.all([opened(door), opened(door)]);
  await listen(port);
  (await asked.take()).end("here");
  await both;
});

it("asks again while a question is on its way nowhere, and gives the oldest up", async () => {
  const door = doorTo(await listen());
  const open = opened(door);
  const oldest = await asked.take();
  for (let swallowed = 1; swallowed < 4; swallowed += 1) await asked.take();
  const fifth = await asked.take();
  if (!oldest.closed) await once(oldest, "close");
  fifth.end("here");
  await open;
});

it("is not opened by a server that goes, or by who stands in front of one that has gone", async () => {
  const door = doorTo(await listen());
  let is = false;
  const open = opened(door).then(() => (is = true));
  for (let refused = 0; refused < 3; refused += 1) {
    const response = await asked.take();
    response.statusCode = 503;
    response.end();
  }
  expect(is).toBe(false);
  (await asked.take()).end("here");
  await open;
});

it("asks no longer when nobody waits", async () => {
  let questions = 0;
  const door = new Door(() => Promise.resolve((questions += 1) < 0), 1);
  door.whenOpen(() => undefined)();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(questions).toBe(1);
});

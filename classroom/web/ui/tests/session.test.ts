import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { askSigned, forgetSession, readSession } from "../src/protocol/session";
import { Inbox } from "./inbox";

const fetchFromNetwork = globalThis.fetch;

let server: Server;
let asked: Inbox<ServerResponse>;

beforeEach(async () => {
  asked = new Inbox();
  server = createServer((_, response) => asked.put(response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => fetchFromNetwork(origin + path, init));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  forgetSession();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  server.closeAllConnections();
  server.close();
});

describe("what is asked by cookie", () => {
  it("is given up when nobody answers", async () => {
    const answer = askSigned("/api/lessons/math-3/token", { method: "POST", as: "device" });
    const given_up = expect(answer).rejects.toMatchObject({ status: 0, code: "unreachable" });
    await asked.take(); // who we are, to begin with
    vi.advanceTimersByTime(10_000);
    await given_up;
    const again = readSession(); // the one that hangs is not waited for
    (await asked.take()).end('{"csrf": "x"}');
    expect(await again).toEqual({ csrf: "x" });
  });

  it("fails as any other when the link breaks in the midst of the answer, or it is no answer of ours", async () => {
    const broken = askSigned("/api/today");
    const response = await asked.take();
    response.writeHead(200, { "Content-Length": 1000 });
    response.write('{"date": ');
    const failed = expect(broken).rejects.toMatchObject({ status: 0, code: "unreachable" });
    response.destroy();
    await failed;
    const portal = askSigned("/api/today");
    (await asked.take()).end("<html>Sign in to this network</html>");
    await expect(portal).rejects.toMatchObject({ status: 0, code: "unreachable" });
  });

  it("has no answer to wait for where there is none", async () => {
    const signedOut = askSigned("/api/session", { method: "DELETE", as: "account" });
    (await asked.take()).end('{"csrf": "x"}');
    (await asked.take()).writeHead(204).end();
    expect(await signedOut).toBeUndefined();
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Problem } from "../src/protocol/problem";
import { obtainCredentials, type IssuedToken } from "../src/state/credentials";

const MINUTE_MS = 60_000;

let asked: number;
let answer: () => Promise<IssuedToken>;

const ask = (): Promise<IssuedToken> => {
  asked += 1;
  return answer();
};

const issue = (): Promise<IssuedToken> =>
  Promise.resolve({
    token: `token-${asked}`,
    role: "classroom",
    participant: "d1",
    expires_at: "1999-01-01T00:15:00Z", // by a clock that is not ours
    ttl_s: 900,
  });

beforeEach(() => {
  asked = 0;
  answer = issue;
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("obtainCredentials", () => {
  it("keeps a token while enough of it is left", async () => {
    const credentials = await obtainCredentials("math-3", "device", ask);
    expect(credentials).toMatchObject({ lesson: "math-3", role: "classroom", participant: "d1" });
    vi.advanceTimersByTime(9 * MINUTE_MS);
    expect(await credentials.token()).toBe("token-1");
    vi.advanceTimersByTime(2 * MINUTE_MS);
    expect(await credentials.token()).toBe("token-2");
    expect(await credentials.token()).toBe("token-2");
  });

  it("takes the old one while a server is away, but not once it is over", async () => {
    const credentials = await obtainCredentials("math-3", "device", ask);
    answer = () => Promise.reject(new Problem(0, "unreachable", ""));
    vi.advanceTimersByTime(12 * MINUTE_MS);
    expect(await credentials.token()).toBe("token-1");
    vi.advanceTimersByTime(4 * MINUTE_MS);
    await expect(credentials.token()).rejects.toMatchObject({ code: "unreachable" });
    answer = issue;
    expect(await credentials.token()).toBe("token-4");
  });

  it("gets another one when a token was refused, one for all who ask", async () => {
    const credentials = await obtainCredentials("math-3", "device", ask);
    const both = [credentials.token("token-1"), credentials.token("token-1")];
    expect(await Promise.all(both)).toEqual(["token-2", "token-2"]);
    expect(await credentials.token("token-1")).toBe("token-2"); // somebody was late to say so
    expect(asked).toBe(2);
  });

  it("says why it gets none", async () => {
    answer = () => Promise.reject(new Problem(403, "forbidden", "no"));
    await expect(obtainCredentials("math-3", "device", ask)).rejects.toMatchObject({ status: 403 });
  });
});

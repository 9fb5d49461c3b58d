import { describe, expect, it } from "vitest";
import { captureIsGone, sourcesOf } from "../src/state/sources";
import { publication } from "./messages";

const states = (...args: Parameters<typeof sourcesOf>) =>
  Object.fromEntries(sourcesOf(...args).map(({ label, state }) => [label, state]));

describe("sourcesOf", () => {
  it("is content when everything comes", () => {
    const all = [publication("1", "camera"), publication("2", "slides"), publication("3", "mic")];
    expect(states("live", 60, all)).toEqual({ camera: "ok", slides: "ok", mic: "ok" });
  });

  it("names what is missing and what has stopped", () => {
    const some = [publication("1", "camera", { live: false })];
    expect(states("live", 60, some)).toEqual({ camera: "stopped", slides: "optional", mic: "missing" });
    expect(captureIsGone(sourcesOf("live", 60, some))).toBe(true);
    expect(captureIsGone(sourcesOf("live", 60, [...some, publication("3", "mic")]))).toBe(false);
  });

  it("waits before the lesson and in its first seconds", () => {
    expect(states("planned", 0, [])).toEqual({ camera: "waiting", slides: "waiting", mic: "waiting" });
    expect(states("live", 2, [])).toEqual({ camera: "waiting", slides: "waiting", mic: "waiting" });
    expect(captureIsGone(sourcesOf("live", 7, []))).toBe(true);
  });

  it("counts a source as there when any of its publications is", () => {
    const two = [publication("1", "camera", { live: false }), publication("2", "camera")];
    expect(states("live", 60, two)["camera"]).toBe("ok");
  });
});

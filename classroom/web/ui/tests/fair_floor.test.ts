import { describe, expect, it } from "vitest";
import { fairFloor } from "../src/class/fair_floor";
import { lesson, participant } from "./messages";

const at_ms = (time: string) => Date.parse(`2026-11-23T01:${time}Z`);
const live = lesson({ started_at: "2026-11-23T01:30:00Z" });

describe("fairFloor", () => {
  it("counts from when a room lost the floor", () => {
    const room = participant("x", { asked: 2, last_asked_at: "2026-11-23T01:36:00Z" });
    expect(fairFloor(room, live, at_ms("41:59"))).toMatchObject({
      asked: 2,
      silent_min: 5,
      forgotten: false,
    });
    expect(fairFloor(room, live, at_ms("46:00"))).toMatchObject({
      silent_min: 10,
      share: 1,
      forgotten: true,
    });
  });

  it("does not hold against the teacher what was before the lesson, or before the room came", () => {
    const early = participant("x", { joined_at: "2026-11-23T01:20:00Z" });
    const late = participant("x", { joined_at: "2026-11-23T01:38:00Z" });
    expect(fairFloor(early, live, at_ms("40:00")).silent_min).toBe(10);
    expect(fairFloor(late, live, at_ms("40:00")).silent_min).toBe(2);
  });

  it("rests while a room has the floor, is away, or there is no lesson", () => {
    const room = participant("x", { asked: 1 });
    const now_ms = at_ms("59:00");
    expect(fairFloor(room, { ...live, floor: ["x"] }, now_ms)).toMatchObject({ silent_min: 0, share: 0 });
    expect(fairFloor({ ...room, online: false }, live, now_ms).forgotten).toBe(false);
    expect(fairFloor(room, { ...live, state: "ended" }, now_ms)).toMatchObject({
      silent_min: 0,
      forgotten: false,
    });
    expect(fairFloor(null, live, now_ms).forgotten).toBe(false);
  });

  it("is not confused by a clock that is behind", () => {
    const room = participant("x", { last_asked_at: "2026-11-23T01:36:00Z" });
    expect(fairFloor(room, live, at_ms("35:00"))).toMatchObject({ silent_min: 0, share: 0 });
  });
});

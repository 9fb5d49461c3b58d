import { describe, expect, it } from "vitest";
import { follow, type Follower } from "../src/replay/sync";

const slides = (position_s: number, nudge = 1): Follower => ({ position_s, start_s: 10, end_s: 100, nudge });

describe("follow", () => {
  it("leaves small drift alone", () => {
    expect(follow(50, slides(50.019))).toEqual({ kind: "play", nudge: 1 });
    expect(follow(50, slides(49.981))).toEqual({ kind: "play", nudge: 1 });
  });

  it("slows down what is ahead and hurries what is behind", () => {
    expect(follow(50, slides(50.05))).toMatchObject({ kind: "play", nudge: expect.closeTo(0.8) as number });
    expect(follow(50, slides(49.95))).toMatchObject({ kind: "play", nudge: expect.closeTo(1.2) as number });
  });

  it("hurries more for more, and never beyond a half", () => {
    expect(follow(50, slides(49.3))).toMatchObject({ nudge: 1.5 });
    expect(follow(50, slides(50.9))).toMatchObject({ nudge: 0.5 });
  });

  it("once correcting, goes on until it is close", () => {
    expect(follow(50, slides(50.012, 0.95))).toMatchObject({
      kind: "play",
      nudge: expect.closeTo(0.95) as number,
    });
    expect(follow(50, slides(50.009, 0.95))).toEqual({ kind: "play", nudge: 1 });
  });

  it("seeks when nudging would take too long", () => {
    expect(follow(50, slides(51.01))).toEqual({ kind: "seek", to_s: 50 });
    expect(follow(50, slides(20))).toEqual({ kind: "seek", to_s: 50 });
  });

  it("rests where it has nothing to show", () => {
    expect(follow(9.9, slides(40))).toEqual({ kind: "rest", at_s: 10 });
    expect(follow(100, slides(40))).toEqual({ kind: "rest", at_s: 100 });
  });

  it("brings any drift below 80 ms within 4 s and keeps it there, at any speed", () => {
    for (const speed of [0.5, 1, 2]) {
      for (const offset_s of [-0.9, -0.2, -0.045, 0.045, 0.5, 0.99]) {
        const clock_error = 1.0002; // two clocks of one machine, and then some
        let leader_s = 20;
        let position_s = leader_s + offset_s;
        let nudge = 1;
        for (let tick = 0; tick < 600; tick += 1) {
          const action = follow(leader_s, slides(position_s, nudge));
          if (action.kind !== "play") throw new Error(`did ${action.kind} at ${position_s - leader_s}`);
          ({ nudge } = action);
          leader_s += 0.05 * speed;
          position_s += 0.05 * speed * nudge * clock_error;
          if (leader_s > 24) expect(Math.abs(position_s - leader_s)).toBeLessThanOrEqual(0.045);
        }
      }
    }
  });
});

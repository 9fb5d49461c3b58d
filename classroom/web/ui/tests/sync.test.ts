import { describe, expect, it } from "vitest";
import { follow, Standstill, type Follower } from "../src/replay/sync";

const slides = (position_s: number, nudge = 1): Follower => ({ position_s, start_s: 10, end_s: 100, nudge });

describe("follow", () => {
  it("leaves small drift alone", () => {
    expect(follow(50, slides(50.019))).toEqual({ kind: "play", nudge: 1 });
    expect(follow(50, slides(49.981))).toEqual({ kind: "play", nudge: 1 });
  });

  it("slows down what is ahead and hurries what is behind", () => {
    expect(follow(50, slides(50.03))).toEqual({ kind: "play", nudge: 0.75 });
    expect(follow(50, slides(49.97))).toEqual({ kind: "play", nudge: 1.25 });
  });

  it("hurries more for more, and never beyond a half", () => {
    expect(follow(50, slides(49.9))).toEqual({ kind: "play", nudge: 1.5 });
    expect(follow(50, slides(49.3))).toEqual({ kind: "play", nudge: 1.5 });
  });

  it("lets what is far ahead wait until the leader is past", () => {
    expect(follow(50, slides(50.05))).toEqual({ kind: "play", nudge: 0 });
    expect(follow(50, slides(50.001, 0))).toEqual({ kind: "play", nudge: 0 });
    expect(follow(50, slides(49.999, 0))).toEqual({ kind: "play", nudge: 0 });
    expect(follow(50, slides(49.99, 0))).toEqual({ kind: "play", nudge: 1 });
  });

  it("keeps slides within 80 ms of a voice that creeps before it goes, at any speed", () => {
    const look_s = 1 / 60;
    for (const speed of [1, 2]) {
      for (const creeps_s of [0, 0.05, 0.1, 0.3]) {
        let [leader_s, position_s, nudge] = [50, 50, 0];
        for (let at_s = 0; at_s < 2; at_s += look_s) {
          const action = follow(leader_s, slides(position_s, nudge));
          if (action.kind !== "play") throw new Error(action.kind);
          ({ nudge } = action);
          leader_s += look_s * speed * (at_s < creeps_s ? 0.2 : 1);
          position_s += look_s * speed * nudge;
          expect(Math.abs(position_s - leader_s)).toBeLessThanOrEqual(0.08);
        }
      }
    }
  });

  it("once correcting, goes on until it is close", () => {
    expect(follow(50, slides(50.012, 0.75))).toEqual({ kind: "play", nudge: 0.75 });
    expect(follow(50, slides(50.009, 0.75))).toEqual({ kind: "play", nudge: 1 });
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

describe("Standstill", () => {
  /** How often it seeks in a second of ticks, if a seek lands this far from where it was meant to. */
  const seeksIn = (
    standstill: Standstill,
    to_s: number,
    from_s: number,
    lands_off_s: number,
    reach_s = NaN,
  ): number => {
    let position_s = from_s;
    let seeks = 0;
    for (let tick = 0; tick < 20; tick += 1) {
      if (!standstill.seeks(position_s, to_s, reach_s)) continue;
      seeks += 1;
      position_s = to_s + lands_off_s;
    }
    return seeks;
  };

  it("seeks once and rests, also where the picture does not reach the place", () => {
    for (const lands_off_s of [0, -0.001, 0.03, -1.5]) {
      expect(seeksIn(new Standstill(), 50, 49.9, lands_off_s)).toBe(1);
    }
  });

  it("rests where a step of the player has brought it", () => {
    expect(seeksIn(new Standstill(), 50.04, 50.04, 0)).toBe(0);
    expect(seeksIn(new Standstill(), 50.04, 50.038, 0)).toBe(0);
  });

  it("seeks again to another place, and to the same one after it was elsewhere", () => {
    const standstill = new Standstill();
    expect(seeksIn(standstill, 50, 49.9, -1.5)).toBe(1);
    expect(seeksIn(standstill, 60, 49.9, 0)).toBe(1);
    standstill.end();
    expect(seeksIn(standstill, 60, 49.9, 0)).toBe(1);
  });

  it("tries again when there is more of a lesson that goes on", () => {
    const standstill = new Standstill();
    expect(seeksIn(standstill, 100, 60, -8, 92)).toBe(1);
    expect(seeksIn(standstill, 100, 92, -8, 92)).toBe(0);
    expect(seeksIn(standstill, 100, 92, 0, 101)).toBe(1);
    expect(seeksIn(standstill, 100, 100, 0, 103)).toBe(0);
  });
});

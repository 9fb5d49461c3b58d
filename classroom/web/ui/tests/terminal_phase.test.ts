import { describe, expect, it } from "vitest";
import { terminalPhase, type TerminalFacts } from "../src/state/terminal_phase";

const live: TerminalFacts = {
  control: "connected",
  lesson: "live",
  media: "receiving",
  hasPicture: true,
  anyLive: true,
  plannedAgainFor_s: 0,
};
const phase = (facts: Partial<TerminalFacts>) => terminalPhase({ ...live, ...facts });

describe("terminalPhase", () => {
  it("goes through a lesson", () => {
    const before = { lesson: null, media: "idle", hasPicture: false, anyLive: false } as const;
    expect(phase({ ...before, control: "connecting" })).toBe("connecting");
    expect(phase({ ...before, lesson: "planned" })).toBe("waiting");
    expect(phase({ ...before, lesson: "live", media: "connecting" })).toBe("media_pending");
    expect(phase({})).toBe("live");
    expect(phase({ lesson: "ended", media: "idle" })).toBe("ended");
  });

  it("stays live while media flow, whatever the control connection does", () => {
    expect(phase({ control: "lost" })).toBe("live");
  });

  it("keeps the last picture through an outage", () => {
    expect(phase({ media: "lost" })).toBe("reconnecting");
    expect(phase({ control: "lost", media: "lost" })).toBe("reconnecting");
    expect(phase({ control: "refused", media: "lost" })).toBe("reconnecting");
  });

  it("takes a restarted server's `planned` for an outage, but not for ever", () => {
    expect(phase({ lesson: "planned", media: "idle", plannedAgainFor_s: 3 })).toBe("reconnecting");
    expect(phase({ lesson: "planned", media: "idle", plannedAgainFor_s: 16 })).toBe("waiting");
  });

  it("does not blame the link when the teacher's side is gone", () => {
    expect(phase({ media: "quiet", anyLive: false })).toBe("media_pending");
  });

  it("says so when the token is refused", () => {
    expect(phase({ control: "refused", lesson: null, hasPicture: false, media: "idle" })).toBe("refused");
  });
});

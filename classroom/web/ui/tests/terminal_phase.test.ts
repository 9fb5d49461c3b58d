import { describe, expect, it } from "vitest";
import type { ControlStatus } from "../src/protocol/control";
import type { Phase } from "../src/protocol/device_messages.gen";
import type { LessonState } from "../src/protocol/messages.gen";
import type { ReceiveStatus } from "../src/protocol/whep";
import {
  terminalPhase,
  waitingFor,
  type StationStatus,
  type TerminalFacts,
  type TerminalPhase,
} from "../src/terminal/phase";

const LIVE: TerminalFacts = {
  station: "connected",
  lostFor_s: 0,
  agenda: "live",
  control: "connected",
  lesson: "live",
  media: "receiving",
  hasPicture: true,
  anyLive: true,
  called: false,
  weak: false,
  plannedAgainFor_s: 0,
};
const NOTHING: Partial<TerminalFacts> = {
  control: null,
  lesson: null,
  media: "idle",
  hasPicture: false,
  anyLive: false,
};
const phase = (facts: Partial<TerminalFacts>) => terminalPhase({ ...LIVE, ...facts });

const STATIONS: StationStatus[] = ["unpaired", "connecting", "connected", "lost", "refused"];
const AGENDAS: (Phase | null)[] = [null, "idle", "standby", "live", "over"];
const CONTROLS: (ControlStatus | null)[] = [null, "connecting", "connected", "lost", "refused"];
const LESSONS: (LessonState | null)[] = [null, "planned", "live", "ended"];
const MEDIA: ReceiveStatus[] = ["idle", "connecting", "receiving", "quiet", "lost", "refused"];
const BOTH = [false, true];

/** Every combination that the types allow. */
function* everything(): Generator<TerminalFacts> {
  for (const station of STATIONS)
    for (const lostFor_s of [0, 5, 180])
      for (const agenda of AGENDAS)
        for (const control of CONTROLS)
          for (const lesson of LESSONS)
            for (const media of MEDIA)
              for (const hasPicture of BOTH)
                for (const anyLive of BOTH)
                  for (const called of BOTH)
                    for (const weak of BOTH)
                      for (const plannedAgainFor_s of [0, 16])
                        yield {
                          station,
                          lostFor_s,
                          agenda,
                          control,
                          lesson,
                          media,
                          hasPicture,
                          anyLive,
                          called,
                          weak,
                          plannedAgainFor_s,
                        };
}

describe("terminalPhase", () => {
  it("goes through a school day", () => {
    expect(phase({ ...NOTHING, station: "unpaired", agenda: null })).toBe("unpaired");
    expect(phase({ ...NOTHING, agenda: "idle" })).toBe("idle");
    expect(phase({ ...NOTHING, agenda: "standby" })).toBe("standby");
    expect(phase({ ...NOTHING, agenda: "standby", control: "connected", lesson: "planned" })).toBe("standby");
    expect(phase({ ...NOTHING, agenda: "live" })).toBe("joining");
    expect(phase({ hasPicture: false, media: "connecting" })).toBe("joining");
    expect(phase({})).toBe("live");
    expect(phase({ called: true })).toBe("called");
    expect(phase({ weak: true })).toBe("weak");
    expect(phase({ media: "lost" })).toBe("reconnecting");
    expect(phase({ lesson: "ended", media: "idle", hasPicture: false })).toBe("over");
    expect(phase({ agenda: "over", lesson: "ended", media: "idle", hasPicture: false })).toBe("over");
    expect(phase({ ...NOTHING, agenda: "idle" })).toBe("idle");
  });

  it("begins with the lesson, whichever of the two tells of it first", () => {
    expect(phase({ agenda: "standby", hasPicture: false, media: "connecting" })).toBe("joining");
    expect(phase({ agenda: "standby" })).toBe("live");
    expect(phase({ ...NOTHING, agenda: "live", control: "connected", lesson: "planned" })).toBe("joining");
  });

  it("stays in a lesson whose media flow, whatever the other connections do", () => {
    for (const station of ["connecting", "lost"] as const) {
      expect(phase({ station, lostFor_s: 600, control: "lost" })).toBe("live");
    }
  });

  it("keeps the last picture through an outage of any length", () => {
    const outage = { station: "lost", lostFor_s: 600, control: "lost", media: "lost" } as const;
    expect(phase(outage)).toBe("reconnecting");
    expect(phase({ ...outage, called: true, weak: true })).toBe("reconnecting");
    expect(phase({ ...outage, control: "refused" })).toBe("reconnecting");
  });

  it("says that it is offline only after a moment", () => {
    for (const agenda of ["idle", "standby", "live"] as const) {
      const lost = { ...NOTHING, agenda, station: "lost" } as const;
      expect(phase({ ...lost, lostFor_s: 3 })).toBe(agenda === "live" ? "joining" : agenda);
      expect(phase({ ...lost, lostFor_s: 5 })).toBe("offline");
    }
    expect(phase({ ...NOTHING, agenda: null, station: "connecting" })).toBe("offline");
  });

  it("does not let goodbye stand for ever when nobody tells what comes next", () => {
    const over = { ...NOTHING, agenda: "over", station: "lost" } as const;
    expect(phase({ ...over, lostFor_s: 60 })).toBe("over");
    expect(phase({ ...over, lostFor_s: 200 })).toBe("offline");
  });

  it("takes a restarted server's `planned` for an outage, but not for ever", () => {
    expect(phase({ lesson: "planned", media: "idle", plannedAgainFor_s: 3 })).toBe("reconnecting");
    expect(phase({ lesson: "planned", media: "idle", plannedAgainFor_s: 16 })).toBe("joining");
  });

  it("leaves no combination without the face that fits it", () => {
    let count = 0;
    const wrong: [TerminalPhase, TerminalFacts][] = [];
    for (const facts of everything()) {
      const shown = terminalPhase(facts);
      count += 1;
      if (!fits(shown, facts)) wrong.push([shown, facts]);
    }
    expect(wrong).toEqual([]);
    expect(count).toBe(5 * 3 * 5 * 5 * 4 * 6 * 2 ** 5);
  });
});

/** What must be true of the facts for a face to be the right one. */
function fits(shown: TerminalPhase, facts: TerminalFacts): boolean {
  const flows = facts.hasPicture && facts.media === "receiving" && facts.lesson === "live";
  // A room that is not this terminal's any more has nothing on its screen, and a room that is shows no code.
  if ((shown === "unpaired") !== (facts.station === "unpaired")) return false;
  switch (shown) {
    case "unpaired":
      return true;
    case "idle":
    case "standby":
      return facts.agenda === shown;
    case "joining":
      return facts.agenda === "live" || (facts.lesson === "live" && !facts.hasPicture);
    case "live":
      return flows && !facts.called && !facts.weak;
    case "called":
      return flows && facts.called;
    case "weak":
      return flows && facts.weak && !facts.called;
    case "reconnecting":
      return facts.hasPicture && (facts.media !== "receiving" || facts.lesson === "planned");
    case "over":
      return facts.agenda === "over" || facts.lesson === "ended";
    case "offline":
      return facts.station !== "connected" || facts.agenda === null;
  }
}

describe("waitingFor", () => {
  it("does not blame the link when the teacher's side is gone", () => {
    expect(waitingFor({ control: "connected", lesson: "live", anyLive: false })).toBe("teacher");
    expect(waitingFor({ control: "connected", lesson: "live", anyLive: true })).toBe("link");
    expect(waitingFor({ control: "lost", lesson: "live", anyLive: false })).toBe("link");
  });
});

import { describe, expect, it } from "vitest";
import { isSender } from "../src/state/publisher";
import { floorOf, micArrives, roleOf } from "../src/terminal/seat";
import { lesson, participant, publication, snapshot } from "./messages";

describe("the seat of a terminal", () => {
  it("sends from a linked classroom, not from the main one, whose capture agent does", () => {
    const as = (role: "classroom" | "capture", fields = {}) =>
      snapshot({ participants: [participant("me", { role })], lesson: lesson(fields) });
    expect(isSender(as("classroom"))).toBe(true);
    expect(isSender(as("classroom", { interactive: false }))).toBe(false);
    expect(isSender(as("classroom", { state: "ended" }))).toBe(false);
    expect(isSender(as("capture"))).toBe(false);
    expect([roleOf(as("capture")), roleOf(null)]).toEqual(["capture", null]);
  });

  it("is called on in a discussion, too, in which all are heard", () => {
    const asked = (fields: Parameters<typeof lesson>[0]) => floorOf(snapshot({ lesson: lesson(fields) }));
    const mode = "discuss";
    expect(asked({ floor: ["me"], called: ["me"] })).toEqual({ called: true, heard: true });
    expect(asked({ mode, floor: ["me"] })).toEqual({ called: false, heard: true });
    expect(asked({ mode, floor: ["me"], called: ["me"] })).toEqual({ called: true, heard: true });
    expect(asked({ mode, muted: ["me"] })).toEqual({ called: false, heard: false });
  });

  it("is heard only if its own microphone arrives", () => {
    const mic = (participant_id: string, live = true) => publication("p", "mic", { participant_id, live });
    expect(micArrives(snapshot({ publications: [mic("me")] }))).toBe(true);
    expect(micArrives(snapshot({ publications: [mic("me", false), mic("other")] }))).toBe(false);
    expect(micArrives(null)).toBe(false);
  });
});

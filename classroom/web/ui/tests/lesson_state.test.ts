import { describe, expect, it } from "vitest";
import { applyMessage, SequenceGap, type LessonSnapshot } from "../src/protocol/lesson_state";
import { lesson, participant, publication, snapshot } from "./messages";

const start = applyMessage(
  null,
  snapshot({ participants: [participant("a")], publications: [publication("p", "camera")] }),
);

describe("applyMessage", () => {
  it("takes a snapshot for the whole truth", () => {
    expect(start).toMatchObject({
      seq: 1,
      you: "me",
      participants: [{ id: "a" }],
      publications: [{ id: "p" }],
    });
    expect(applyMessage(start, snapshot({ seq: 9 }))).toMatchObject({
      seq: 9,
      participants: [],
      publications: [],
    });
  });

  it("adds, changes in place and removes", () => {
    let state: LessonSnapshot | null = start;
    state = applyMessage(state, { type: "participant_changed", seq: 2, participant: participant("b") });
    state = applyMessage(state, {
      type: "participant_changed",
      seq: 3,
      participant: participant("a", { name: "大足二小" }),
    });
    expect(state?.participants.map((p) => [p.id, p.name])).toEqual([
      ["a", "大足二小"],
      ["b", ""],
    ]);
    state = applyMessage(state, { type: "participant_left", seq: 4, participant_id: "a" });
    state = applyMessage(state, {
      type: "publication_changed",
      seq: 5,
      publication: publication("p", "camera", { live: false }),
    });
    state = applyMessage(state, {
      type: "publication_changed",
      seq: 6,
      publication: publication("q", "mic"),
    });
    state = applyMessage(state, { type: "lesson_changed", seq: 7, lesson: lesson({ state: "ended" }) });
    expect(state).toMatchObject({
      seq: 7,
      lesson: { state: "ended" },
      participants: [{ id: "b" }],
      publications: [{ id: "p", live: false }, { id: "q" }],
    });
    state = applyMessage(state, { type: "publication_removed", seq: 8, publication_id: "p" });
    expect(state?.publications.map((p) => p.id)).toEqual(["q"]);
  });

  it("counts the news of a session, which changes nothing else", () => {
    const after = applyMessage(start, { type: "session_ended", seq: 2, session_id: "s", reason: "" });
    expect(after).toEqual({ ...start, seq: 2 });
  });

  it("never changes a state that was handed out", () => {
    const before = structuredClone(start);
    applyMessage(start, { type: "publication_removed", seq: 2, publication_id: "p" });
    expect(start).toEqual(before);
  });

  it("passes by what is no news of the lesson", () => {
    expect(applyMessage(start, { type: "pong" })).toBe(start);
    expect(applyMessage(start, { type: "ack", id: "1" })).toBe(start);
  });

  it.each([1, 3, 7])("refuses delta %i after 1", (seq) => {
    expect(() => applyMessage(start, { type: "participant_left", seq, participant_id: "a" })).toThrow(
      SequenceGap,
    );
  });

  it("refuses a delta before any snapshot", () => {
    expect(() => applyMessage(null, { type: "lesson_changed", seq: 1, lesson: lesson() })).toThrow(
      SequenceGap,
    );
  });
});

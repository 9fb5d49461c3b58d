import { describe, expect, it } from "vitest";
import { pressOf, queueOf, troubleOf, wallOf, wallShape, type Room } from "../src/class/wall";
import type { ListenerView } from "../src/protocol/device_messages.gen";
import { lesson, participant, publication, snapshot } from "./messages";

const NOW_MS = Date.parse("2026-11-23T01:40:00Z");

function listener(classroom_id: number, fields: Partial<ListenerView> = {}): ListenerView {
  return {
    classroom_id,
    classroom: "三年级教室",
    school: `学校 ${classroom_id}`,
    device_id: `device-${classroom_id}`,
    online: true,
    ready: true,
    faults: [],
    children: 20,
    ...fields,
  };
}

const room = (rooms: Room[], place: number): Room => {
  const found = rooms[place - 1];
  if (found === undefined) throw new Error(`nobody at ${place}`);
  return found;
};

describe("pressOf", () => {
  it("takes the floor back also from a classroom that is cut off while it speaks", () => {
    const press = (called: string[], fields: Partial<Parameters<typeof participant>[1]>) => {
      const state = snapshot({
        lesson: lesson({ called, floor: called }),
        participants: [participant("device-1", fields)],
      });
      return pressOf(room(wallOf(state, [listener(1)], NOW_MS), 1));
    };
    expect(press([], { online: true })).toBe("call");
    expect(press(["device-1"], { online: true })).toBe("return");
    expect(press(["device-1"], { online: false, cut: true })).toBe("return");
    expect(press([], { online: false, cut: true })).toBeNull();
    expect(pressOf(room(wallOf(null, [listener(1)], NOW_MS), 1))).toBeNull();
  });
});

describe("wallOf", () => {
  it("keeps the order of the plan, whoever comes first, and puts guests behind", () => {
    const state = snapshot({
      participants: [
        participant("guest-late", { name: "晚来", joined_at: "2026-11-23T01:35:00Z" }),
        participant("guest-early", { name: "早来", joined_at: "2026-11-23T01:31:00Z" }),
        participant("device-2"),
        participant("teacher", { role: "teacher" }),
      ],
    });
    const rooms = wallOf(state, [listener(1), listener(2)], NOW_MS);
    expect(rooms.map(({ place, id, school }) => [place, id, school])).toEqual([
      [1, null, "学校 1"],
      [2, "device-2", "学校 2"],
      [3, "guest-early", "早来"],
      [4, "guest-late", "晚来"],
    ]);
  });

  it("tells a terminal that is off from one that is coming, and one that was cut off", () => {
    const state = snapshot({
      participants: [
        participant("device-3", { online: false }),
        participant("device-4"),
        participant("device-5", { online: false, cut: true }),
      ],
    });
    const planned = [
      listener(1, { online: false }),
      listener(2),
      listener(3, { online: false }),
      listener(4),
      listener(5),
    ];
    expect(wallOf(state, planned, NOW_MS).map(({ presence }) => presence)).toEqual([
      "absent",
      "ready",
      "away",
      "here",
      "cut",
    ]);
  });

  it("believes the terminal in the lesson more than its self-test", () => {
    const report = {
      children: 17,
      camera: true,
      microphone: true,
      loudspeaker: null,
      sending: true,
      rung: "",
      behind_s: 0,
      faults: ["没有画面"],
    };
    const state = snapshot({ participants: [participant("device-1", { report }), participant("device-2")] });
    const tested = { faults: ["话筒没有声音"] };
    const rooms = wallOf(state, [listener(1, tested), listener(2, tested)], NOW_MS);
    expect(rooms.map(({ children, faults }) => [children, faults])).toEqual([
      [17, ["没有画面"]],
      [20, ["话筒没有声音"]],
    ]);
  });

  it("says of every microphone whether it is heard", () => {
    const micOf = (id: string) => publication(`mic of ${id}`, "mic", { participant_id: id });
    const ids = ["speaking", "muted", "listening", "none"];
    const state = (mode: "listen" | "discuss", floor: string[], called: string[]) =>
      snapshot({
        lesson: lesson({ mode, floor, called, muted: ["muted"] }),
        participants: ids.map((id) =>
          participant(id, { joined_at: `2026-11-23T01:3${ids.indexOf(id)}:00Z` }),
        ),
        publications: ids.slice(0, 3).map(micOf),
      });
    const mics = (mode: "listen" | "discuss", floor: string[], called: string[]) =>
      wallOf(state(mode, floor, called), [], NOW_MS).map(({ mic, called }) => [mic, called]);
    expect(mics("listen", ["speaking"], ["speaking"])).toEqual([
      ["speaking", true],
      ["muted", false],
      ["listening", false],
      ["none", false],
    ]);
    // In a discussion all have the floor; called on is who was pressed, and to press it again takes its picture back.
    expect(mics("discuss", ["speaking", "listening"], ["listening"])).toEqual([
      ["open", false],
      ["muted", false],
      ["open", true],
      ["none", false],
    ]);
  });

  it("does not say of a microphone that it speaks when nothing comes from it", () => {
    const state = snapshot({
      lesson: lesson({ floor: ["device-1"] }),
      participants: [participant("device-1")],
      publications: [publication("1", "mic", { participant_id: "device-1", live: false })],
    });
    expect(room(wallOf(state, [listener(1)], NOW_MS), 1).mic).toBe("broken");
  });

  it("finds the picture of a room by who sends it", () => {
    const state = snapshot({
      participants: [participant("device-1")],
      publications: [
        publication("1", "camera", { participant_id: "capture" }),
        publication("2", "camera", { participant_id: "device-1", name: "camera-device-1" }),
      ],
    });
    expect(room(wallOf(state, [listener(1)], NOW_MS), 1).picture).toBe("camera-device-1");
  });

  it("orders the hands as they were raised", () => {
    const state = snapshot({
      lesson: lesson({ hands: ["device-3", "device-1"] }),
      participants: [1, 2, 3].map((n) => participant(`device-${n}`)),
    });
    const rooms = wallOf(state, [listener(1), listener(2), listener(3)], NOW_MS);
    expect(rooms.map(({ hand }) => hand)).toEqual([2, 0, 1]);
    expect(queueOf(rooms).map(({ id }) => id)).toEqual(["device-3", "device-1"]);
  });

  it("is there before the lesson is known", () => {
    expect(wallOf(null, [listener(1, { online: false })], NOW_MS)).toMatchObject([
      { id: null, presence: "absent" },
    ]);
  });
});

describe("troubleOf", () => {
  const link = (word: string, cause: string) => ({
    word,
    cause,
    rtt_ms: 40,
    loss_percent: 0,
    down_kbps: 900,
  });
  const of = (fields: Partial<Room>) => {
    const [plain] = wallOf(snapshot({ participants: [participant("device-1")] }), [listener(1)], NOW_MS);
    return troubleOf({ ...(plain as Room), ...fields });
  };

  it("puts what a terminal says before what its link is like", () => {
    expect(of({ faults: ["没有画面"], link: link("poor", "loss") })).toEqual({ fault: "没有画面" });
    expect(of({ link: link("fair", "queue") })).toEqual({ cause: "queue" });
    expect(of({ link: link("good", "publisher") })).toBeNull();
  });

  it("says nothing more of a room that is not there", () => {
    expect(of({ presence: "away", faults: ["没有画面"] })).toBeNull();
  });
});

it("gives a wall the shape that its rooms need", () => {
  expect([0, 1, 2, 3, 4, 6, 7, 16].map(wallShape)).toEqual([
    "one",
    "one",
    "few",
    "few",
    "some",
    "some",
    "many",
    "many",
  ]);
});

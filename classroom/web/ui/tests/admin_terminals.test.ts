import { describe, expect, it } from "vitest";
import { labelOf, matching } from "../src/admin/directory";
import { faultsOf, formatCode, inOrder, isMissed, isWholeCode, named, stateOf } from "../src/admin/terminals";
import { addDays, ago, weekdayOf } from "../src/admin/when";
import type { Terminal } from "../src/protocol/terminals";

const NOW = Date.parse("2026-11-26T00:20:00Z");
const LESSON = {
  id: "e1",
  title: "三年级音乐",
  subject: "音乐",
  starts_at: "2026-11-26T00:40:00Z",
  ends_at: "2026-11-26T01:20:00Z",
  state: "planned",
} as const;

function terminal(over: Partial<Terminal> = {}): Terminal {
  return {
    id: "d1",
    kind: "terminal",
    name: "大屏",
    classroom_id: 1,
    classroom: "三年级教室",
    school_id: 1,
    school: "山坪小学",
    district_id: 1,
    online: true,
    paired_at: "2026-11-01T00:00:00Z",
    seen_at: null,
    version: null,
    report: null,
    volume: null,
    lesson: null,
    ...over,
  };
}

const checks = { camera: null, slides: null, microphone: null, loudspeaker: null, link: null };
const faulty = terminal({
  report: {
    version: "1",
    checks: { ...checks, camera: { ok: false, text: "摄像头被占用" } },
    children: null,
  },
});

describe("terminals", () => {
  it("miss where a lesson is near, and not before", () => {
    expect(isMissed(terminal({ online: false, lesson: LESSON }), NOW)).toBe(true);
    expect(isMissed(terminal({ online: false, lesson: LESSON }), NOW - 60 * 60_000)).toBe(false);
    expect(isMissed(terminal({ online: false, lesson: { ...LESSON, state: "cancelled" } }), NOW)).toBe(false);
    expect(isMissed(terminal({ lesson: LESSON }), NOW)).toBe(false);
  });

  it("say what of their self-test has failed", () => {
    expect(faultsOf(faulty)).toEqual([{ check: "camera", text: "摄像头被占用" }]);
    expect(stateOf(faulty, NOW)).toBe("alarm");
    expect(stateOf({ ...faulty, online: false }, NOW)).toBe("away");
    expect(stateOf(terminal(), NOW)).toBe("ready");
  });

  it("stand with those first that need somebody", () => {
    const away = terminal({ online: false, school: "安平小学" });
    const missed = terminal({ online: false, lesson: LESSON });
    expect(inOrder([terminal(), away, missed], NOW)).toEqual([missed, away, terminal()]);
  });

  it("are found by words in any order", () => {
    expect(named([terminal()], "三年级 山坪")).toHaveLength(1);
    expect(named([terminal()], "四年级")).toHaveLength(0);
  });
});

describe("a pairing code", () => {
  it.each([
    ["7f3k92mp", "7F3K-92MP"],
    ["7F3K-92MP", "7F3K-92MP"],
    [" 7f3k 92m", "7F3K-92M"],
    ["7f3k", "7F3K"],
    ["7F3K-92MPXY", "7F3K-92MP"],
  ])("%s is shown as %s", (typed, shown) => expect(formatCode(typed)).toBe(shown));

  it("is whole with eight characters", () => {
    expect(isWholeCode("7F3K-92MP")).toBe(true);
    expect(isWholeCode("7F3K-92M")).toBe(false);
  });
});

describe("the directory", () => {
  const room = (id: number, name: string) => {
    const thing = { id, names: { school_id: "山坪小学" }, name };
    return { id, label: labelOf("classrooms", thing), thing };
  };
  it("finds by all words, the most exact first", () => {
    const rooms = [room(1, "三年级1班教室"), room(2, "三年级教室"), room(3, "录播室")];
    expect(matching(rooms, "山坪 三年级").map(({ id }) => id)).toEqual([2, 1]);
    expect(matching(rooms, "", 2)).toHaveLength(2);
  });
});

describe("times", () => {
  it("are told as people do", () => {
    expect(ago("2026-11-23T00:00:00Z", NOW, "en")).toBe("3 days ago");
    expect(ago("2026-11-26T00:19:50Z", NOW, "en")).toBe("now");
  });
  it("are reckoned in days", () => {
    expect(addDays("2026-11-30", 1)).toBe("2026-12-01");
    expect(weekdayOf("2026-11-26")).toBe(4);
    expect(weekdayOf("2026-11-29")).toBe(7);
  });
});

import { describe, expect, it } from "vitest";
import type { AgendaLesson, ListenerView } from "../src/protocol/device_messages.gen";
import { bellIn } from "../src/state/bell";
import {
  byUrgency,
  classOf,
  hasFault,
  lessonOfTheMoment,
  readyRooms,
  roomState,
  standingOf,
} from "../src/today/day";

const at_ms = (time: string) => Date.parse(`2026-11-23T${time}:00Z`);

function listener(fields: Partial<ListenerView> = {}): ListenerView {
  return {
    classroom_id: 1,
    classroom: "三年级教室",
    school: "山坪小学",
    device_id: "d",
    online: true,
    ready: true,
    faults: [],
    children: null,
    ...fields,
  };
}

function lesson(id: string, starts: string, ends: string, fields: Partial<AgendaLesson> = {}): AgendaLesson {
  return {
    id,
    title: "",
    subject: "数学",
    grade: "三年级",
    period: 1,
    starts_at: `2026-11-23T${starts}:00Z`,
    ends_at: `2026-11-23T${ends}:00Z`,
    state: "planned",
    role: "main",
    teacher: "王老师",
    main: {
      classroom_id: 9,
      classroom: "录播室",
      school: "城关小学",
      device_id: "c",
      online: true,
      ready: true,
      faults: [],
    },
    interactive: true,
    listeners: [],
    ...fields,
  };
}

describe("a day of lessons", () => {
  const first = lesson("first", "01:00", "01:40", { state: "ended" });
  const second = lesson("second", "02:00", "02:40");
  const third = lesson("third", "03:00", "03:40");

  it("knows where each lesson stands", () => {
    const standings = (time: string) => [first, second, third].map((one) => standingOf(one, at_ms(time)));
    expect(standings("01:49")).toEqual(["ended", "planned", "planned"]);
    expect(standings("01:50")).toEqual(["ended", "soon", "planned"]);
    expect(standings("02:00")).toEqual(["ended", "due", "planned"]);
    expect(standings("02:40")).toEqual(["ended", "missed", "planned"]);
  });

  it("is about the lesson that goes on, overrun or not, else the next one", () => {
    const now = (lessons: AgendaLesson[], time: string) => lessonOfTheMoment(lessons, at_ms(time))?.id;
    expect(now([third, second, first], "00:30")).toBe("second");
    expect(now([first, second, third], "02:10")).toBe("second");
    expect(now([first, second, third], "02:45")).toBe("third");
    expect(now([first, { ...second, state: "live" }, third], "02:55")).toBe("second");
    expect(now([first], "04:00")).toBeUndefined();
  });

  it("counts a room that is off as a fault only when it matters", () => {
    const one = lesson("x", "02:00", "02:40", {
      listeners: [listener(), listener({ online: false, ready: false })],
    });
    expect(readyRooms(one)).toBe(1);
    expect(hasFault(one, at_ms("00:30"))).toBe(false);
    expect(hasFault(one, at_ms("01:55"))).toBe(true);
    expect(hasFault({ ...one, state: "ended" }, at_ms("02:20"))).toBe(false);
  });

  it("puts what needs somebody first", () => {
    const broken = lesson("broken", "03:00", "03:40", {
      state: "live",
      listeners: [listener({ ready: false })],
    });
    const live = lesson("live", "02:00", "02:40", { state: "live" });
    expect(byUrgency([first, second, live, broken], at_ms("01:30")).map(({ id }) => id)).toEqual([
      "broken",
      "live",
      "second",
      "first",
    ]);
  });

  it("tells rooms apart in one word", () => {
    const live = lesson("x", "02:00", "02:40", { state: "live" });
    expect(roomState(listener({ device_id: null, online: false, ready: false }), live)).toBe("none");
    expect(roomState(listener({ online: false, ready: false }), live)).toBe("off");
    expect(roomState(listener({ ready: false }), live)).toBe("fault");
    expect(roomState(listener(), live)).toBe("here");
    expect(roomState(listener(), { ...live, state: "planned" })).toBe("ready");
  });

  it("names a lesson by class and subject, and by its title where it has neither", () => {
    expect(classOf({ ...first, title: "面积" })).toEqual({ class: "三年级数学", title: "面积" });
    expect(classOf({ ...first, title: "三年级数学" })).toEqual({ class: "三年级数学", title: "" });
    expect(classOf({ ...first, grade: "", subject: "", title: "家长会" })).toEqual({
      class: "家长会",
      title: "",
    });
  });
});

describe("bellIn", () => {
  const bell = "2026-11-23T02:40:00Z";

  it("counts down to the bell and on from it", () => {
    expect(bellIn(bell, Date.parse("2026-11-23T02:12:31.2Z"))).toMatchObject({ over: false, text: "27:29" });
    expect(bellIn(bell, Date.parse("2026-11-23T02:39:59.9Z"))).toMatchObject({ over: false, text: "00:01" });
    expect(bellIn(bell, Date.parse("2026-11-23T02:40:00Z"))).toMatchObject({ over: true, text: "+00:00" });
    expect(bellIn(bell, Date.parse("2026-11-23T02:42:10.9Z"))).toMatchObject({ over: true, text: "+02:10" });
  });

  it("is silent where there is no bell", () => {
    expect(bellIn(null, 0)).toBeNull();
  });
});

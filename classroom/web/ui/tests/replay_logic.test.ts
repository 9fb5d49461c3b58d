import { describe, expect, it } from "vitest";
import type { Chapter, LessonEvent, RecordingTrack, Strip } from "../src/protocol/recording";
import { completed } from "../src/protocol/recording";
import { momentOf, replayPath, withMoment } from "../src/replay/address";
import { chapterAt, chapterName, nextChapter, pageNumber, previousChapter } from "../src/replay/chapters";
import { commandOf, KEY_SHEET } from "../src/replay/keyboard";
import { nearestCorner, possibleLayout } from "../src/replay/layout";
import { bendCurve, fromDb } from "../src/replay/loudness";
import { gapsOf, momentsOf } from "../src/replay/moments";
import { canSave, planReplay } from "../src/replay/plan";
import { forgetWatched, rememberWatched, watchedTo, worthResuming } from "../src/replay/resume";
import { keepSettings, nextSpeed, recallSettings } from "../src/replay/settings";
import { stripPicture } from "../src/replay/strip";

/** As a browser keeps it. */
class MemoryStorage implements Storage {
  readonly #items = new Map<string, string>();
  get length(): number {
    return this.#items.size;
  }
  clear(): void {
    this.#items.clear();
  }
  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }
  key(index: number): string | null {
    return [...this.#items.keys()][index] ?? null;
  }
  removeItem(key: string): void {
    this.#items.delete(key);
  }
  setItem(key: string, value: string): void {
    this.#items.set(key, value);
  }
}

const chapters: Chapter[] = [0, 30, 60].map((start_s, i) => ({
  start_s,
  end_s: start_s + 30,
  thumbnail: null,
  text: `\n 第${i}页 \n其余`,
  title: i === 2 ? "小结" : "",
  page: null,
}));

describe("chapters", () => {
  it("knows which one it is in", () => {
    expect([-1, 0, 29.9, 30, 500].map((at_s) => chapterAt(chapters, at_s))).toEqual([-1, 0, 0, 1, 2]);
  });

  it("goes to the next one, if there is one", () => {
    expect(nextChapter(chapters, 0)).toBe(30);
    expect(nextChapter(chapters, 30)).toBe(60);
    expect(nextChapter(chapters, 60)).toBeNull();
  });

  it("goes back to the beginning of this one first, then to the one before", () => {
    expect(previousChapter(chapters, 45)).toBe(30);
    expect(previousChapter(chapters, 31)).toBe(0);
    expect(previousChapter(chapters, 1)).toBe(0);
    expect(previousChapter([], 1)).toBeNull();
  });

  it("is called by its title, else by the first words of its slide", () => {
    expect(chapters.map(chapterName)).toEqual(["第0页", "第1页", "小结"]);
  });

  it("has the number of its page as it was told, or its place where none was told", () => {
    expect(chapters.map((_, i) => pageNumber(chapters, i))).toEqual([1, 2, 3]);
    const told = chapters.map((chapter, i) => ({ ...chapter, page: [4, null, 4][i] ?? null }));
    expect(told.map((_, i) => pageNumber(told, i))).toEqual([4, null, 4]);
  });
});

describe("an address of a moment", () => {
  it("is read and written", () => {
    expect(momentOf("#key=abc&t=83")).toBe(83);
    expect(momentOf("#t=83.5")).toBe(83.5);
    expect(withMoment("/replay/l#key=abc", 83.9)).toBe("/replay/l#key=abc&t=83");
    expect(withMoment("/replay/l#key=abc&t=1", null)).toBe("/replay/l#key=abc");
    expect(withMoment("/replay/l", 5)).toBe("/replay/l#t=5");
  });

  it.each(["", "#t=", "#t=-3", "#t=1e9", "#t=abc", "#key=t=3"])("%j asks for none", (hash) => {
    expect(momentOf(hash)).toBeNull();
  });

  it("names one recording, or the latest", () => {
    expect(replayPath("a b", null)).toBe("/replay/a%20b");
    expect(replayPath("maths", "2026-11-1")).toBe("/replay/maths/2026-11-1");
  });
});

describe("the keys", () => {
  const key = (name: string, ctrlKey = false) =>
    commandOf({ key: name, ctrlKey, metaKey: false, altKey: false });

  it("do what the sheet says", () => {
    expect(key(" ")).toEqual({ do: "toggle" });
    expect(key("K")).toEqual({ do: "toggle" });
    expect(key("j")).toEqual({ do: "seekBy", by_s: -10 });
    expect(key("ArrowRight")).toEqual({ do: "seekBy", by_s: 5 });
    expect(key(",")).toEqual({ do: "step", frames: -1 });
    expect(key("7")).toEqual({ do: "seekShare", share: 0.7 });
    expect(key("？")).toEqual({ do: "help" });
    const letters = KEY_SHEET.flatMap(([first, second]) => [first, second]).filter((cap) => cap.length === 1);
    const arrows = new Set(["←", "→", "↑", "↓"]);
    for (const cap of letters.filter((cap) => !arrows.has(cap))) expect(key(cap), cap).not.toBeNull();
  });

  it("leave the browser its own", () => {
    expect(key("f", true)).toBeNull();
    expect(key("F5")).toBeNull();
    expect(key("Tab")).toBeNull();
    expect(key("Enter")).toBeNull();
  });
});

describe("the strip", () => {
  const strip: Strip = {
    interval_s: 5,
    width_px: 160,
    height_px: 90,
    columns: 2,
    rows: 2,
    sheets: ["a", "b"],
  };
  it.each([
    [0, "a", 0, 0],
    [4.9, "a", 0, 0],
    [5, "a", 160, 0],
    [10, "a", 0, 90],
    [20, "b", 0, 0],
    [999, "b", 160, 90],
    [-1, "a", 0, 0],
  ])("at %d s is on sheet %s at %d, %d", (at_s, sheet, x_px, y_px) => {
    expect(stripPicture(strip, at_s)).toEqual({ sheet, x_px, y_px });
  });

  it("shows nothing while there is nothing", () => {
    expect(stripPicture({ ...strip, sheets: [] }, 3)).toBeNull();
  });
});

describe("what happened", () => {
  it("is hands, floor, discussions, notes, and classrooms that come and go", () => {
    const events: LessonEvent[] = [
      { at_s: 9, kind: "participant", name: "二小", online: false },
      { at_s: 5, kind: "hand", name: "二小" },
      { at_s: 1, kind: "participant", name: "二小", online: true },
      { at_s: 6, kind: "floor", name: "二小、三小" },
      { at_s: 6.5, kind: "floor", name: "" },
      { at_s: 7, kind: "programme" },
      { at_s: 7, kind: "page", page: 3 },
      { at_s: 7.5, kind: "mode", name: "discuss" },
      { at_s: 8, kind: "mode", name: "listen" },
      { at_s: 8.5, kind: "note", name: "", text: "请看课件" },
    ];
    expect(momentsOf(events)).toEqual([
      { at_s: 1, kind: "came", name: "二小" },
      { at_s: 5, kind: "hand", name: "二小" },
      { at_s: 6, kind: "floor", name: "二小、三小" },
      { at_s: 7.5, kind: "discuss", name: "discuss" },
      { at_s: 8, kind: "listen", name: "listen" },
      { at_s: 8.5, kind: "note", name: "", text: "请看课件" },
      { at_s: 9, kind: "left", name: "二小" },
    ]);
  });

  const track = (...gaps: [number, number, string][]) =>
    ({ gaps: gaps.map(([start_s, end_s, reason]) => ({ start_s, end_s, reason })) }) as RecordingTrack;

  it("joins gaps of several tracks, with the reason of the longest", () => {
    const tracks = [
      track([10, 11, "loss"], [50, 50, "loss"]),
      track([10.5, 20, "outage"], [30, 31, "novel"]),
    ];
    expect(gapsOf({ tracks })).toEqual([
      { start_s: 10, end_s: 20, reason: "outage" },
      { start_s: 30, end_s: 31, reason: "unknown" },
    ]);
  });
});

describe("saving data", () => {
  const track = (label: string) => ({
    name: label,
    label,
    playlist: `/${label}`,
    start_s: 0,
    duration_s: 60,
  });
  const recording = (...labels: string[]) =>
    completed({
      lesson: "l",
      state: "complete",
      master: "/master",
      tracks: labels.map(track) as unknown as RecordingTrack[],
    });

  it("leaves the camera where it is: the voice leads, the slides follow", () => {
    const plan = planReplay(recording("camera", "mic", "slides"), "saver");
    expect(plan).toMatchObject({ main: { url: "/mic" }, mainShows: null, slides: { url: "/slides" } });
  });

  it("is not offered where nothing could be left out, or nothing would be left", () => {
    expect(canSave(recording("mic", "slides"))).toBe(false);
    expect(canSave(recording("camera", "slides"))).toBe(false);
    expect(planReplay(recording("camera"), "saver")).toMatchObject({ mainShows: "camera" });
  });
});

describe("coming back", () => {
  it("remembers each recording by itself, and forgets", () => {
    const store = new MemoryStorage();
    rememberWatched(store, "maths/2026-11-1", 83.4, 1);
    rememberWatched(store, "maths/2026-11-2", 10, 2);
    expect(watchedTo(store, "maths/2026-11-1")).toBe(83);
    forgetWatched(store, "maths/2026-11-1");
    expect(watchedTo(store, "maths/2026-11-1")).toBeNull();
    expect(watchedTo(store, "maths/2026-11-2")).toBe(10);
  });

  it("keeps the hundred latest", () => {
    const store = new MemoryStorage();
    store.setItem("classroom.language", "en");
    for (let i = 0; i < 130; i += 1) rememberWatched(store, `l${i}`, 60, i);
    expect(store.length).toBe(101);
    expect(watchedTo(store, "l29")).toBeNull();
    expect(watchedTo(store, "l30")).toBe(60);
    expect(store.getItem("classroom.language")).toBe("en");
  });

  it("is not disturbed by what others wrote", () => {
    const store = new MemoryStorage();
    for (const text of ["{", "null", "[]", '{"at_s":"x"}']) {
      store.setItem("classroom.watched.l", text);
      expect(watchedTo(store, "l")).toBeNull();
    }
  });

  it("is offered neither at the beginning nor at the end", () => {
    expect([5, 20, 2685, 2690].map((at_s) => worthResuming(at_s, 2700))).toEqual([false, true, true, false]);
  });
});

describe("settings", () => {
  it("are kept, but speed and silence begin anew", () => {
    const store = new MemoryStorage();
    const usual = recallSettings(store);
    const kept = {
      ...usual,
      layout: "pip",
      corner: "top-left",
      quality: "saver",
      speed: 2,
      muted: true,
    } as const;
    keepSettings(store, kept);
    expect(recallSettings(store)).toEqual({ ...kept, speed: 1, muted: false });
  });

  it.each(["", "{", "7", '{"layout":"x","corner":3,"volume":9,"swapped":"yes"}'])("survive %j", (text) => {
    const store = new MemoryStorage();
    const usual = recallSettings(store);
    store.setItem("classroom.replay", text);
    expect(recallSettings(store)).toEqual(usual);
  });

  it("go through the speeds and stop at the ends", () => {
    expect([nextSpeed(1, 1), nextSpeed(2, 1), nextSpeed(0.5, -1)]).toEqual([1.25, 2, 0.5]);
  });
});

describe("layouts", () => {
  it("give way to what there is", () => {
    expect(possibleLayout("pip", true, true)).toBe("pip");
    expect(possibleLayout("both", false, true)).toBe("slides");
    expect(possibleLayout("slides", true, false)).toBe("camera");
  });

  it("put a small picture into the nearest corner", () => {
    expect(nearestCorner(0.1, 0.9)).toBe("bottom-left");
    expect(nearestCorner(0.9, 0.1)).toBe("top-right");
  });
});

describe("the limiter's last stage", () => {
  const curve = bendCurve();
  const at = (x: number) => curve[Math.round(((x / 4 + 1) / 2) * (curve.length - 1))] ?? NaN;

  it("leaves alone what is quiet and never reaches full scale", () => {
    expect(at(0)).toBeCloseTo(0);
    expect(at(0.5)).toBeCloseTo(0.5, 2);
    expect(Math.max(...curve)).toBeLessThan(1);
    expect(Math.min(...curve)).toBeGreaterThan(-1);
  });

  it("rises all the way", () => {
    for (let i = 1; i < curve.length; i += 1) expect(curve[i]).toBeGreaterThanOrEqual(curve[i - 1] ?? 0);
  });

  it("counts in decibels", () => {
    expect(fromDb(6)).toBeCloseTo(1.995, 3);
    expect(fromDb(-20)).toBeCloseTo(0.1);
  });
});

import { describe, expect, it } from "vitest";
import type { Chapter } from "../src/protocol/recording";
import { pieces, searchLesson } from "../src/replay/search";

const chapter = (start_s: number, text: string, title = ""): Chapter => ({
  start_s,
  end_s: start_s + 10,
  thumbnail: null,
  text,
  title,
  page: null,
});
const slides = [chapter(0, "分数的意义"), chapter(30, "ＡＢＣ 练习\n真分数"), chapter(60, "小结")];
const cues = [
  { start_s: 12, end_s: 14, text: "什么是分数？" },
  { start_s: 40, end_s: 42, text: "abc song" },
];

describe("searchLesson", () => {
  it("finds words on slides and in captions, in the order of their times", () => {
    expect(searchLesson("分数", slides, cues).map(({ kind, at_s }) => [kind, at_s])).toEqual([
      ["slide", 0],
      ["caption", 12],
      ["slide", 30],
    ]);
  });

  it("marks every place of the words", () => {
    const [hit] = searchLesson("分 数", [chapter(0, "分数，分数")], []);
    expect(pieces(hit?.text ?? "", hit?.marks ?? [])).toEqual([
      { text: "分数", marked: true },
      { text: "，", marked: false },
      { text: "分数", marked: true },
    ]);
  });

  it("minds neither case nor width", () => {
    expect(searchLesson("abc", slides, cues).map(({ at_s }) => at_s)).toEqual([30, 40]);
    expect(searchLesson("ＡＢＣ", slides, cues).map(({ at_s }) => at_s)).toEqual([30, 40]);
  });

  it("wants all the words, and finds nothing for none", () => {
    expect(searchLesson("真分数 练习", slides, cues).map(({ at_s }) => at_s)).toEqual([30]);
    expect(searchLesson("真分数 小结", slides, cues)).toEqual([]);
    expect(searchLesson("  ", slides, cues)).toEqual([]);
  });

  it("shows a long slide from a little before the hit, with the mark in its place", () => {
    const [hit] = searchLesson("目标", [chapter(0, `${"长".repeat(100)}目标在这里`)], []);
    expect(hit?.text.startsWith("…长")).toBe(true);
    const [start, end] = hit?.marks[0] ?? [0, 0];
    expect(hit?.text.slice(start, end)).toBe("目标");
  });

  it("keeps marks in place where a character has another length in lower case", () => {
    const [hit] = searchLesson("分数", [chapter(0, "İİ ﷺ 分数")], []);
    const [start, end] = hit?.marks[0] ?? [0, 0];
    expect(hit?.text.slice(start, end)).toBe("分数");
  });

  it("is bounded", () => {
    const many = Array.from({ length: 500 }, (_, i) => ({ start_s: i, end_s: i + 1, text: "嗯" }));
    expect(searchLesson("嗯", [], many)).toHaveLength(200);
  });
});

describe("pieces", () => {
  it("stands marks that overlap or lie outside", () => {
    expect(
      pieces("abcdef", [
        [1, 3],
        [2, 4],
        [9, 12],
      ])
        .map(({ text }) => text)
        .join(""),
    ).toBe("abcdef");
    expect(pieces("", [])).toEqual([]);
  });
});

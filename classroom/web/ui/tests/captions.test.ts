import { describe, expect, it } from "vitest";
import { captionAt, parseVtt } from "../src/replay/captions";

const FILE = `\uFEFFWEBVTT - 第一课

NOTE not
for people

STYLE
::cue { color: red }

1
00:01.000 --> 00:03.500 align:start
<v 王老师>同学们好，<b>今天</b>学分数。

00:00:04.000 --> 01:00:05.000
1 &lt; 2 &amp; 3
second line

00:09.000 --> 00:09.000
no duration

00:10.000 --> 00:11
bad time

identifier
00:00.500 --> 00:02.000
早`;

describe("parseVtt", () => {
  it("finds the cues in the order of their times, as plain text", () => {
    expect(parseVtt(FILE)).toEqual([
      { start_s: 0.5, end_s: 2, text: "早" },
      { start_s: 1, end_s: 3.5, text: "同学们好，今天学分数。" },
      { start_s: 4, end_s: 3605, text: "1 < 2 & 3\nsecond line" },
    ]);
  });

  it("does not mind how lines end", () => {
    expect(parseVtt(FILE.replaceAll("\n", "\r\n"))).toEqual(parseVtt(FILE));
    expect(parseVtt(FILE.replaceAll("\n", "\r"))).toEqual(parseVtt(FILE));
  });

  it("does not take other files for captions", () => {
    expect(parseVtt("WEBVTTX\n\n00:01.000 --> 00:02.000\na")).toEqual([]);
    expect(parseVtt("<html>")).toEqual([]);
    expect(parseVtt("")).toEqual([]);
  });

  it("unescapes once", () => {
    expect(parseVtt("WEBVTT\n\n00:01.000 --> 00:02.000\n&amp;lt;b&gt;")[0]?.text).toBe("&lt;b>");
  });
});

describe("captionAt", () => {
  const cues = parseVtt(FILE);
  it.each([
    [0.4, ""],
    [0.5, "早"],
    [1.5, "早\n同学们好，今天学分数。"],
    [3.5, ""],
  ])("at %d s shows %j", (at_s, text) => {
    expect(captionAt(cues, at_s)).toBe(text);
  });
});

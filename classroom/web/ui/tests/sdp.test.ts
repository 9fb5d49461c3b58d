import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { withLabels, withOpusNack } from "../src/protocol/sdp";

/** What Chromium 156 offers for our three slots: two pictures and a sound. */
const offer = readFileSync(new URL("data/chromium_offer.sdp", import.meta.url), "utf8");

const sectionsOf = (sdp: string): string[] => sdp.split(/^(?=m=)/m).slice(1);
const linesOf = (sdp: string): string[] => sdp.split("\r\n");

describe("withLabels", () => {
  it("names every m-section in order", () => {
    const sections = sectionsOf(withLabels(offer, ["camera", "slides", "mic"]));
    const labels = sections.map((s) => linesOf(s).filter((line) => line.startsWith("a=label:")));
    expect(labels).toEqual([["a=label:camera"], ["a=label:slides"], ["a=label:mic"]]);
  });

  it("leaves everything else as the browser wrote it", () => {
    const labelled = withLabels(offer, ["camera", "slides", "mic"]);
    expect(linesOf(labelled).filter((line) => !line.startsWith("a=label:"))).toEqual(linesOf(offer));
    expect(labelled.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
  });

  it("leaves sections without a name alone", () => {
    expect(withLabels(offer, [])).toBe(offer);
  });
});

describe("withOpusNack", () => {
  it("asks for retransmission of Opus and of nothing else", () => {
    const added = linesOf(withOpusNack(offer)).filter((line) => !linesOf(offer).includes(line));
    expect(added).toEqual(["a=rtcp-fb:111 nack"]);
    expect(sectionsOf(withOpusNack(offer))[2]).toContain(
      "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 nack\r\n",
    );
  });

  it("changes nothing when it is asked for already", () => {
    const once = withOpusNack(offer);
    expect(withOpusNack(once)).toBe(once);
  });
});

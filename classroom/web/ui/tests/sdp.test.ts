import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { iceCredentials, withIceCredentials, withLabels, withOpusNack } from "../src/protocol/sdp";

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

describe("an ICE restart", () => {
  const fragment = "a=ice-lite\r\na=ice-ufrag:server2\r\na=ice-pwd:new/password+2\r\na=end-of-candidates\r\n";

  it("sends the credentials of the first m-section, and nothing else", () => {
    const lines = linesOf(offer);
    const first = (name: string) => lines.find((line) => line.startsWith(`a=${name}:`)) ?? "";
    expect(iceCredentials(offer)).toBe(`${first("ice-ufrag")}\r\n${first("ice-pwd")}\r\n`);
    expect(iceCredentials("v=0\r\n")).toBe("");
  });

  it("puts the server's new credentials into every m-section of its answer", () => {
    const answer = withIceCredentials(offer, fragment);
    const sections = sectionsOf(answer);
    expect(sections.length).toBe(3);
    for (const section of sections) {
      expect(linesOf(section).filter((line) => line.startsWith("a=ice-"))).toEqual(
        expect.arrayContaining(["a=ice-ufrag:server2", "a=ice-pwd:new/password+2"]),
      );
    }
    const others = (sdp: string) => linesOf(sdp).filter((line) => !/^a=ice-(ufrag|pwd):/.test(line));
    expect(others(answer)).toEqual(others(offer));
  });

  it("leaves an answer as it is when the fragment has no credentials", () => {
    expect(withIceCredentials(offer, "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n")).toBe(offer);
  });
});

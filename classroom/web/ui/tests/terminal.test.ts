import { describe, expect, it } from "vitest";
import type { LinkView } from "../src/protocol/messages.gen";
import type { ReceiveStats } from "../src/protocol/receive_stats";
import { HEARD_DB, prominence_db, TEST } from "../src/terminal/chime";
import { actionOf, isNewPress, turned, type Key } from "../src/terminal/keys";
import {
  bilingual,
  checksOf,
  deviceFinding,
  faultsOf,
  linkFinding,
  SENTENCES,
  UNTESTED,
} from "../src/terminal/self_test";
import { countdown, dayOf } from "../src/terminal/times";
import { follow, FULL, rungOf, type Rung } from "../src/terminal/weak_link";

const MINUTE_MS = 60_000;

describe("keys", () => {
  const key = (name: string, more: Partial<Key> = {}): Key => ({
    key: name,
    repeat: false,
    ctrlKey: false,
    altKey: false,
    metaKey: false,
    ...more,
  });

  it.each([" ", "Enter", "Accept", "Select"])("raise the hand with %j", (name) => {
    expect(actionOf(key(name))).toBe("hand");
    expect(actionOf(key(name, { repeat: true }))).toBeNull();
  });

  it("turn the volume, held down, too", () => {
    expect(actionOf(key("ArrowUp", { repeat: true }))).toBe("louder");
    expect(actionOf(key("AudioVolumeDown"))).toBe("quieter");
    expect(turned(98, "louder")).toBe(100);
    expect(turned(2, "quieter")).toBe(0);
    expect(turned(50, "quieter")).toBe(45);
  });

  it("leave the browser its own", () => {
    expect(actionOf(key("r", { ctrlKey: true }))).toBeNull();
    expect(actionOf(key(" ", { altKey: true }))).toBeNull();
    expect(actionOf(key("Tab"))).toBeNull();
  });

  it("take a double press for one", () => {
    expect(isNewPress(1_000, -Infinity)).toBe(true);
    expect(isNewPress(1_400, 1_000)).toBe(false);
    expect(isNewPress(3_000, 1_000)).toBe(true);
  });
});

describe("the rung of a weak link", () => {
  const link = (word: string, cause: string): LinkView => ({
    word,
    cause,
    rtt_ms: 100,
    loss_percent: 4,
    down_kbps: 600,
  });
  const stats = (camera_bps: number, fps: number, loss = 0): ReceiveStats => {
    const slot = { loss, freezes: 0, frozen_s: 0 };
    return {
      rtt_s: 0.1,
      bitrate_bps: camera_bps,
      loss,
      slots: [
        { label: "camera", bitrate_bps: camera_bps, fps, ...slot },
        { label: "mic", bitrate_bps: 40_000, fps: 0, ...slot },
      ],
    };
  };

  it("is the server's word where it has one", () => {
    expect(rungOf(link("good", "none"), stats(2e6, 25), true)).toBe("full");
    expect(rungOf(link("fair", "smaller_picture"), stats(4e5, 25), true)).toBe("smaller");
    expect(rungOf(link("poor", "no_picture"), stats(0, 0), true)).toBe("voice");
    expect(rungOf(link("poor", "loss"), stats(2e6, 25), true)).toBe("unsteady");
    expect(rungOf(link("fair", "loss"), stats(2e6, 25), true)).toBe("full");
    // The sender's fault, not this link's.
    expect(rungOf(link("fair", "publisher"), stats(2e5, 10), true)).toBe("full");
  });

  it("is seen here where the server says nothing", () => {
    expect(rungOf(null, stats(0, 0), true)).toBe("voice");
    expect(rungOf(null, stats(0, 0), false)).toBe("full");
    expect(rungOf(null, stats(2e6, 25, 0.2), true)).toBe("unsteady");
    expect(rungOf(null, null, true)).toBe("full");
  });

  it("is shown when it has lasted, sooner for worse than for better", () => {
    const at = (moments: [Rung, number][]) =>
      moments.reduce((shown, [rung, now_ms]) => follow(shown, rung, now_ms), FULL).rung;
    expect(
      at([
        ["smaller", 0],
        ["smaller", 1_900],
      ]),
    ).toBe("full");
    expect(
      at([
        ["smaller", 0],
        ["smaller", 2_000],
      ]),
    ).toBe("smaller");
    expect(
      at([
        ["smaller", 0],
        ["full", 1_000],
        ["smaller", 1_500],
        ["smaller", 3_000],
      ]),
    ).toBe("full");
    expect(
      at([
        ["voice", 0],
        ["voice", 2_000],
        ["full", 2_500],
        ["full", 8_000],
      ]),
    ).toBe("voice");
    expect(
      at([
        ["voice", 0],
        ["voice", 2_000],
        ["full", 2_500],
        ["full", 8_500],
      ]),
    ).toBe("full");
  });
});

describe("the self-test", () => {
  it("says what is wrong and what to do, in both languages", () => {
    for (const [chinese, english] of Object.values(SENTENCES)) {
      expect(chinese).toMatch(/\p{Script=Han}/u);
      expect(english).not.toMatch(/\p{Script=Han}/u);
    }
    expect(bilingual({ ok: false, say: "camera_none" })).toBe(
      "没有找到摄像头，请检查 USB 线。 No camera found: check its USB cable.",
    );
  });

  it("tells devices apart that are missing, forbidden, busy or never to be had", () => {
    expect(deviceFinding("camera", "ok", true)).toEqual({ ok: true, say: "camera_ok" });
    expect(deviceFinding("microphone", "none", true)).toEqual({ ok: false, say: "microphone_none" });
    expect(deviceFinding("camera", "denied", true)).toEqual({ ok: false, say: "camera_denied" });
    expect(deviceFinding("camera", "busy", true)).toEqual({ ok: false, say: "camera_busy" });
    expect(deviceFinding("camera", "opening", true)).toEqual({ ok: null, say: "testing" });
    expect(deviceFinding("camera", "off", false)).toEqual({ ok: false, say: "insecure" });
  });

  it("reports what was found, and nothing of what is still being tested", () => {
    expect(checksOf(UNTESTED, null)).toEqual({
      camera: null,
      slides: null,
      microphone: null,
      loudspeaker: null,
      link: null,
    });
    const figures = { rtt_ms: 12, down_kbps: 9_000 };
    const findings = {
      ...UNTESTED,
      camera: { ok: false, say: "camera_none" } as const,
      link: linkFinding(figures),
    };
    expect(checksOf(findings, figures).link).toMatchObject({ ok: true, rtt_ms: 12, down_kbps: 9_000 });
    expect(faultsOf(findings)).toEqual([{ ok: false, say: "camera_none" }]);
    expect(linkFinding({ rtt_ms: 600, down_kbps: null }).say).toBe("link_slow");
    expect(linkFinding({ rtt_ms: 20, down_kbps: 300 }).say).toBe("link_slow");
    expect(linkFinding(null)).toEqual({ ok: false, say: "link_lost" });
  });

  it("hears a chime in the noise of a room, and none in the noise alone", () => {
    const bin_hz = 48_000 / 4096;
    const noise = Float32Array.from({ length: 2048 }, (_, i) => -80 + 6 * Math.sin(i * 12.9898));
    expect(prominence_db(noise, bin_hz, TEST)).toBeLessThan(HEARD_DB);
    const heard = noise.slice();
    heard[Math.round(1318.5 / bin_hz)] = -48;
    expect(prominence_db(heard, bin_hz, TEST)).toBeGreaterThanOrEqual(HEARD_DB);
    const elsewhere = noise.slice();
    elsewhere[Math.round(2500 / bin_hz)] = -30;
    expect(prominence_db(elsewhere, bin_hz, TEST)).toBeLessThan(HEARD_DB);
  });

  it("hears nothing from a microphone that gives nothing", () => {
    const dead = new Float32Array(2048).fill(-Infinity);
    expect(prominence_db(dead, 48_000 / 4096, TEST)).toBe(0);
  });
});

describe("times", () => {
  it("count down in the unit that says enough", () => {
    expect(countdown(0).key).toBe("soon");
    expect(countdown(1_000)).toMatchObject({ key: "minutes", minutes: 1 });
    expect(countdown(59 * MINUTE_MS)).toMatchObject({ key: "minutes", minutes: 59 });
    expect(countdown(85 * MINUTE_MS)).toMatchObject({ key: "hours", hours: 1, minutes: 25 });
    expect(countdown(3 * 24 * 60 * MINUTE_MS)).toMatchObject({ key: "days", days: 3 });
  });

  it("know today and tomorrow by the calendar, not by 24 hours", () => {
    const evening = new Date(2026, 10, 25, 22, 0);
    expect(dayOf(new Date(2026, 10, 25, 23, 0), evening)).toBe("today");
    expect(dayOf(new Date(2026, 10, 26, 8, 0), evening)).toBe("tomorrow");
    expect(dayOf(new Date(2026, 10, 27, 8, 0), evening)).toBe("other");
  });
});

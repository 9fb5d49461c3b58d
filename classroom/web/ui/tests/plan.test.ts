import { describe, expect, it } from "vitest";
import type { Label } from "../src/protocol/messages.gen";
import { completed, type Recording, type RecordingTrack } from "../src/protocol/recording";
import { planReplay } from "../src/replay/plan";

function track(name: string, label: Label, start_s: number, duration_s: number): RecordingTrack {
  const kind = label === "mic" ? "audio" : "video";
  return {
    name,
    label,
    kind,
    playlist: `/${name}.m3u8`,
    start_s,
    duration_s,
    codec: null,
    width: null,
    height: null,
    gaps: [],
  };
}

function recording(...tracks: RecordingTrack[]): Recording {
  return completed({ lesson: "l", state: "complete", duration_s: 60, tracks, master: "/master.m3u8" });
}

const camera = track("camera", "camera", 0.4, 60);
const mic = track("mic", "mic", 0.5, 61);
const slides = track("slides", "slides", 0, 59);

describe("planReplay", () => {
  it("lets the teacher lead and the slides follow, on one axis", () => {
    expect(planReplay(recording(mic, slides, camera))).toEqual({
      main: { url: "/master.m3u8", start_s: 0.4, end_s: 61.5 },
      mainShows: "camera",
      slides: { url: "/slides.m3u8", start_s: 0, end_s: 59 },
      start_s: 0,
      end_s: 61.5,
    });
  });

  it("plays a camera without a voice from its own playlist", () => {
    expect(planReplay(recording(camera))).toMatchObject({ main: { url: "/camera.m3u8" }, slides: null });
  });

  it("lets the voice lead when there is no camera", () => {
    const plan = planReplay(recording(mic, slides));
    expect(plan).toMatchObject({
      main: { url: "/mic.m3u8" },
      mainShows: null,
      slides: { url: "/slides.m3u8" },
    });
  });

  it("lets slides alone lead themselves", () => {
    expect(planReplay(recording(slides))).toMatchObject({
      main: { url: "/slides.m3u8" },
      mainShows: "slides",
      slides: null,
    });
  });

  it("takes the longer of two tracks with one label, and a screen for missing slides", () => {
    const plan = planReplay(
      recording(track("camera-2", "camera", 30, 8), camera, mic, track("screen", "screen", 5, 20)),
    );
    expect(plan).toMatchObject({
      main: { start_s: 0.4 },
      slides: { url: "/screen.m3u8", start_s: 5, end_s: 25 },
    });
  });

  it("has nothing to play before something was recorded", () => {
    expect(planReplay(recording())).toBeNull();
    expect(planReplay(recording(track("camera", "camera", 0, 0)))).toBeNull();
  });
});

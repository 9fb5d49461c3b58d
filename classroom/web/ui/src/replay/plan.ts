/** Which files play where: the leader (teacher's picture and voice) and the follower (slides). Pure. */

import type { Recording, RecordingTrack } from "../protocol/recording";

/** One thing to load into a media element, with its span on the lesson's axis in seconds. */
export interface DeckPlan {
  url: string;
  start_s: number;
  end_s: number;
}

export interface ReplayPlan {
  main: DeckPlan;
  /** What the leader's picture is; null when it has none (the voice alone). */
  mainShows: "camera" | "slides" | null;
  slides: DeckPlan | null;
  /** The lesson's axis. */
  start_s: number;
  end_s: number;
}

/** `saver` leaves the teacher's picture on the server: the voice leads, the slides follow. */
export type Quality = "original" | "saver";

/** Null when nothing has been recorded (yet). */
export function planReplay(recording: Recording, quality: Quality = "original"): ReplayPlan | null {
  const { tracks, master } = recording;
  const camera = quality === "saver" && canSave(recording) ? null : longest(tracks, "camera");
  const mic = longest(tracks, "mic");
  const slides = slidesOf(tracks);
  const leader = camera ?? mic ?? slides;
  if (leader === null) return null;
  const main = span(leader);
  if (master !== null && camera !== null && mic !== null) {
    main.url = master;
    main.end_s = Math.max(main.end_s, span(mic).end_s);
  }
  const follower = slides === null || slides === leader ? null : span(slides);
  return {
    main,
    mainShows: camera !== null ? "camera" : slides === leader ? "slides" : null,
    slides: follower,
    start_s: Math.min(main.start_s, follower?.start_s ?? Infinity),
    end_s: Math.max(main.end_s, follower?.end_s ?? 0),
  };
}

/** Whether there is something to leave out, and something left without it. */
export function canSave({ tracks }: Recording): boolean {
  return longest(tracks, "camera") !== null && longest(tracks, "mic") !== null;
}

/** The picture of the best quality there is, as in "1920×1080"; null when that is not known. */
export function sizeOf({ tracks }: Recording, of: "camera" | "slides"): string | null {
  const track = of === "camera" ? longest(tracks, "camera") : slidesOf(tracks);
  return track?.width && track.height ? `${track.width}×${track.height}` : null;
}

function span(track: RecordingTrack): DeckPlan {
  return { url: track.playlist, start_s: track.start_s, end_s: track.start_s + track.duration_s };
}

function slidesOf(tracks: RecordingTrack[]): RecordingTrack | null {
  return longest(tracks, "slides") ?? longest(tracks, "screen");
}

/** A source that was published twice under one label has two tracks: the longer one is the lesson. */
function longest(tracks: RecordingTrack[], label: RecordingTrack["label"]): RecordingTrack | null {
  return tracks
    .filter((track) => track.label === label && track.duration_s > 0)
    .reduce<RecordingTrack | null>(
      (best, track) => (best && best.duration_s >= track.duration_s ? best : track),
      null,
    );
}

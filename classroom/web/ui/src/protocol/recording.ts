/** The recording of a lesson as the server lists it (docs/protocol.md §5). Times in seconds from its beginning. */

import { ask } from "./http";
import type { Metadata } from "./library";
import type { Label, RecordingState, TrackKind } from "./messages.gen";

/** A time in which a track has no picture or sound of its own: the last picture is held, or silence. */
export interface Gap {
  start_s: number;
  end_s: number;
  reason: string;
}

export interface RecordingTrack {
  name: string;
  label: Label;
  kind: TrackKind;
  /** HLS media playlist. */
  playlist: string;
  /** Where the track's own time 0 lies, in seconds after the recording's epoch. */
  start_s: number;
  duration_s: number;
  codec: string | null;
  width: number | null;
  height: number | null;
  gaps: Gap[];
}

/** What one slide was on the screen for. */
export interface Chapter {
  start_s: number;
  end_s: number;
  thumbnail: string | null;
  /** What is written on the slide, as far as it could be read. */
  text: string;
  title: string;
  /** By first appearance, from 1; null where nobody told it. */
  page: number | null;
}

/** Small pictures at equal intervals, several to a sheet, row by row. */
export interface Strip {
  interval_s: number;
  width_px: number;
  height_px: number;
  columns: number;
  rows: number;
  sheets: string[];
}

export type Voice = "teacher" | "classroom";

export interface VoiceActivity {
  spans: [start_s: number, end_s: number, who: Voice][];
  teacher_s: number;
  classroom_s: number;
  silence_s: number;
}

export interface CaptionTrack {
  language: string;
  url: string;
  source: "supplied" | "speech";
}

export interface LessonEvent {
  at_s: number;
  kind: string;
  /** Who it is about, or what, as far as the kind has such a thing. */
  name?: string;
  /** Of a participant: came in, or went. */
  online?: boolean;
  /** Of a note: what the teacher wrote. */
  text?: string;
  /** Of a page of the slides, counted from 1. */
  page?: number;
}

export interface Recording {
  lesson: string;
  holding: string | null;
  title: string;
  state: RecordingState;
  detail: string | null;
  repair: { wanted_bytes: number; received_bytes: number } | null;
  started_at: string | null;
  ended_at: string | null;
  duration_s: number;
  tracks: RecordingTrack[];
  /** HLS multivariant playlist of the camera with the teacher's voice; null when there is neither. */
  master: string | null;
  metadata: Partial<Metadata>;
  /** Opens the media of this recording for some hours; null where the page's own token has to. */
  key: string | null;
  chapters: Chapter[];
  strip: Strip | null;
  loudness: { gain_db: number } | null;
  voice: VoiceActivity | null;
  captions: CaptionTrack[];
  events: LessonEvent[];
  index: { state: string; indexed_to_s: number | null; ocr: string; speech: string } | null;
}

/** What a recording has that nothing has been derived from yet. */
const BARE = {
  holding: null,
  title: "",
  detail: null,
  repair: null,
  ended_at: null,
  metadata: {},
  key: null,
  chapters: [],
  strip: null,
  loudness: null,
  voice: null,
  captions: [],
  events: [],
  index: null,
} satisfies Partial<Recording>;

/** A manifest as it came, with everything that it leaves out. */
export function completed(manifest: Partial<Recording> & Pick<Recording, "lesson" | "state">): Recording {
  const { tracks = [], ...rest } = manifest;
  return {
    ...BARE,
    started_at: null,
    duration_s: 0,
    master: null,
    ...rest,
    tracks: tracks.map((track) => ({ ...track, gaps: (track.gaps as Gap[] | undefined) ?? [] })),
  };
}

/** Fetch the manifest of a recording, the latest one of the lesson when `holding` is null. Throws Problem. */
export async function fetchRecording(
  lesson: string,
  holding: string | null,
  token: string,
  signal?: AbortSignal,
): Promise<Recording> {
  const base = `/api/lessons/${encodeURIComponent(lesson)}`;
  const path = holding === null ? `${base}/recording` : `${base}/recordings/${encodeURIComponent(holding)}`;
  const response = await ask(path, { token, signal });
  return completed((await response.json()) as Recording);
}

/** The recording of a lesson as the server lists it (docs/protocol.md §5). */

import type { Label, RecordingState, TrackKind } from "./messages.gen";
import { Problem, problemOf } from "./problem";

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
}

export interface Recording {
  lesson: string;
  title?: string;
  state: RecordingState;
  started_at: string | null;
  duration_s: number;
  tracks: RecordingTrack[];
  /** HLS multivariant playlist of the camera with the teacher's voice; null when there is neither. */
  master: string | null;
}

/** Fetch the manifest of a recording. Throws Problem. */
export async function fetchRecording(
  lesson: string,
  token: string,
  signal?: AbortSignal,
): Promise<Recording> {
  let response: Response;
  try {
    response = await fetch(`/api/lessons/${encodeURIComponent(lesson)}/recording`, {
      headers: { Authorization: `Bearer ${token}` },
      cache: "no-store",
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    throw new Problem(0, "unreachable", error instanceof Error ? error.message : "");
  }
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as Recording;
}

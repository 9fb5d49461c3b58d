/** Messages as the server writes them, with the fields that a test does not care about filled in. */

import type {
  Label,
  LessonView,
  ParticipantView,
  PublicationView,
  Snapshot,
} from "../src/protocol/messages.gen";

export function lesson(fields: Partial<LessonView> = {}): LessonView {
  return {
    id: "math-3",
    title: "长方形的面积",
    state: "live",
    started_at: "2026-11-23T01:30:00+00:00",
    ended_at: null,
    recording: "recording",
    recording_detail: null,
    programme: null,
    floor: [],
    mode: "listen",
    muted: [],
    hands: [],
    ends_at: null,
    interactive: true,
    page: null,
    called: [],
    ...fields,
  };
}

export function participant(id: string, fields: Partial<ParticipantView> = {}): ParticipantView {
  const joined_at = "2026-11-23T01:30:00+00:00";
  return {
    id,
    role: "classroom",
    name: "",
    joined_at,
    online: true,
    publishing: false,
    receiving: false,
    asked: 0,
    spoke_s: 0,
    last_asked_at: null,
    link: null,
    report: null,
    cut: false,
    ...fields,
  };
}

export function publication(
  id: string,
  label: Label,
  fields: Partial<PublicationView> = {},
): PublicationView {
  const kind = label === "mic" ? "audio" : "video";
  return { id, participant_id: "capture", label, kind, name: label, live: true, ...fields };
}

export function snapshot(fields: Partial<Snapshot> = {}): Snapshot {
  return {
    type: "snapshot",
    seq: 1,
    stream: "s",
    you: "me",
    server_time: "2026-11-23T01:30:00+00:00",
    lesson: lesson(),
    participants: [],
    publications: [],
    ...fields,
  };
}

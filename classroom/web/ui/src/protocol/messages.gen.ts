// Generated from classroom/messages.py by `python -m classroom.web.typescript`. Do not edit.

export type Role = "teacher" | "classroom" | "capture" | "observer" | "recorder" | "node";

export type TrackKind = "audio" | "video";

export type Label = "camera" | "slides" | "screen" | "mic";

export type LessonState = "planned" | "live" | "ended";

export type RecordingState = "off" | "recording" | "failed" | "interrupted" | "repairing" | "complete";

export interface LessonView {
  id: string;
  title: string;
  state: LessonState;
  started_at: string | null;
  ended_at: string | null;
  recording: RecordingState;
  recording_detail: string | null;
  programme: string | null;
  floor: string[];
}

export interface ParticipantView {
  id: string;
  role: Role;
  name: string;
  joined_at: string;
  online: boolean;
  publishing: boolean;
  receiving: boolean;
}

export interface PublicationView {
  id: string;
  participant_id: string;
  label: Label;
  kind: TrackKind;
  name: string;
  live: boolean;
}

export interface Hello {
  token: string;
  name?: string;
  type: "hello";
}

export interface StartLesson {
  id: string;
  type: "start_lesson";
}

export interface EndLesson {
  id: string;
  type: "end_lesson";
}

export interface Direct {
  id: string;
  programme: string | null;
  floor: string[];
  type: "direct";
}

export interface Ping {
  type: "ping";
}

export type ClientMessage = Hello | StartLesson | EndLesson | Direct | Ping;

export interface Snapshot {
  seq: number;
  you: string;
  server_time: string;
  lesson: LessonView;
  participants: ParticipantView[];
  publications: PublicationView[];
  type: "snapshot";
}

export interface LessonChanged {
  seq: number;
  lesson: LessonView;
  type: "lesson_changed";
}

export interface ParticipantChanged {
  seq: number;
  participant: ParticipantView;
  type: "participant_changed";
}

export interface ParticipantLeft {
  seq: number;
  participant_id: string;
  type: "participant_left";
}

export interface PublicationChanged {
  seq: number;
  publication: PublicationView;
  type: "publication_changed";
}

export interface PublicationRemoved {
  seq: number;
  publication_id: string;
  type: "publication_removed";
}

export interface SessionEnded {
  seq: number;
  session_id: string;
  reason: string;
  type: "session_ended";
}

export interface Ack {
  id: string;
  type: "ack";
}

export interface ErrorMessage {
  code: "bad_message" | "unauthorized" | "forbidden" | "unknown_lesson" | "busy" | "internal";
  detail: string;
  id: string | null;
  type: "error";
}

export interface Pong {
  type: "pong";
}

export type ServerMessage =
  | Snapshot
  | LessonChanged
  | ParticipantChanged
  | ParticipantLeft
  | PublicationChanged
  | PublicationRemoved
  | SessionEnded
  | Ack
  | ErrorMessage
  | Ping
  | Pong;

// Generated from classroom/messages.py by `python -m classroom.web.typescript`. Do not edit.

export type Role = "teacher" | "classroom" | "capture" | "observer" | "recorder" | "node";

export type FloorMode = "listen" | "discuss";

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
  mode: FloorMode;
  muted: string[];
  hands: string[];
  ends_at: string | null;
  interactive: boolean;
  page: number | null;
  called: string[];
}

export interface LinkView {
  word: string;
  cause: string;
  rtt_ms: number;
  loss_percent: number;
  down_kbps: number;
}

export interface ReportView {
  children: number | null;
  camera: boolean | null;
  microphone: boolean | null;
  loudspeaker: boolean | null;
  sending: boolean;
  rung: string;
  behind_s: number;
  faults: string[];
}

export interface ParticipantView {
  id: string;
  role: Role;
  name: string;
  joined_at: string;
  online: boolean;
  publishing: boolean;
  receiving: boolean;
  asked: number;
  spoke_s: number;
  last_asked_at: string | null;
  link: LinkView | null;
  report: ReportView | null;
  cut: boolean;
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
  stream?: string | null;
  seq?: number;
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

export interface CallOn {
  id: string;
  participant_id: string;
  beside?: boolean;
  type: "call_on";
}

export interface ReturnFloor {
  id: string;
  participant_id?: string | null;
  type: "return_floor";
}

export interface SetMode {
  id: string;
  mode: FloorMode;
  type: "set_mode";
}

export interface Mute {
  id: string;
  participant_id: string | null;
  muted: boolean;
  type: "mute";
}

export interface Spotlight {
  id: string;
  programme: string | null;
  type: "spotlight";
}

export interface RaiseHand {
  id: string;
  raised: boolean;
  participant_id?: string | null;
  type: "raise_hand";
}

export interface SendNote {
  id: string;
  text: string;
  participant_id?: string | null;
  type: "send_note";
}

export interface TurnPage {
  id: string;
  page: number;
  ago_s?: number;
  type: "turn_page";
}

export interface SetVolume {
  id: string;
  participant_id: string;
  volume: number;
  type: "set_volume";
}

export interface Report {
  children?: number | null;
  camera?: boolean | null;
  microphone?: boolean | null;
  loudspeaker?: boolean | null;
  sending?: boolean;
  rung?: string;
  behind_s?: number;
  faults: string[];
  type: "report";
}

export interface Ping {
  type: "ping";
}

export type ClientMessage =
  | Hello
  | StartLesson
  | EndLesson
  | Direct
  | CallOn
  | ReturnFloor
  | SetMode
  | Mute
  | Spotlight
  | RaiseHand
  | SendNote
  | TurnPage
  | SetVolume
  | Report
  | Ping;

export interface Snapshot {
  seq: number;
  stream: string;
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

export interface Note {
  seq: number;
  text: string;
  at: string;
  type: "note";
}

export interface VolumeSet {
  seq: number;
  volume: number;
  type: "volume_set";
}

export interface Resumed {
  stream: string;
  type: "resumed";
}

export interface Ack {
  id: string;
  type: "ack";
}

export interface ErrorMessage {
  code: "bad_message" | "unauthorized" | "forbidden" | "unknown_lesson" | "unknown_participant" | "busy" | "internal";
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
  | Note
  | VolumeSet
  | Resumed
  | Ack
  | ErrorMessage
  | Ping
  | Pong;

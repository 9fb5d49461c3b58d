// Generated from classroom/schoolday/messages.py by `python -m classroom.web.typescript device_messages.gen.ts`. Do not edit.

export type AgendaState = "planned" | "live" | "ended" | "cancelled";

export type Phase = "idle" | "standby" | "live" | "over";

export type RoomRole = "main" | "linked";

export interface ClassroomView {
  id: number;
  name: string;
  school: string;
}

export interface MainRoomView {
  classroom_id: number;
  classroom: string;
  school: string;
  device_id: string | null;
  online: boolean;
  ready: boolean;
  faults: string[];
}

export interface ListenerView {
  classroom_id: number;
  classroom: string;
  school: string;
  device_id: string | null;
  online: boolean;
  ready: boolean;
  faults: string[];
  children: number | null;
}

export interface AgendaLesson {
  id: string;
  title: string;
  subject: string;
  grade: string;
  period: number | null;
  starts_at: string;
  ends_at: string;
  state: AgendaState;
  role: RoomRole;
  teacher: string;
  main: MainRoomView;
  interactive: boolean;
  listeners: ListenerView[];
}

export interface Check {
  ok: boolean | null;
  text: string;
}

export interface LinkCheck {
  ok: boolean | null;
  text: string;
  rtt_ms: number | null;
  down_kbps: number | null;
}

export interface Checks {
  camera: Check | null;
  slides: Check | null;
  microphone: Check | null;
  loudspeaker: Check | null;
  link: LinkCheck | null;
}

export interface DeviceReport {
  version: string;
  checks: Checks;
  children?: number | null;
  type: "report";
}

export interface DevicePing {
  type: "ping";
}

export type DeviceClientMessage = DeviceReport | DevicePing;

export interface Agenda {
  you: string;
  classroom: ClassroomView;
  server_time: string;
  phase: Phase;
  lesson: AgendaLesson | null;
  next: AgendaLesson | null;
  type: "agenda";
}

export interface Configure {
  volume: number | null;
  type: "configure";
}

export interface Revoked {
  type: "revoked";
}

export interface DeviceError {
  code: "bad_message" | "unauthorized" | "busy";
  detail: string;
  type: "error";
}

export interface DevicePong {
  type: "pong";
}

export type DeviceServerMessage = Agenda | Configure | Revoked | DeviceError | DevicePong;

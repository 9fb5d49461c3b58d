/** The wall of linked classrooms: who stands where on it, and what a tile says. Pure. */

import type { ListenerView } from "../protocol/device_messages.gen";
import type { LessonSnapshot } from "../protocol/lesson_state";
import type { LinkView, ParticipantView, PublicationView } from "../protocol/messages.gen";
import { fairFloor, type FairFloor } from "./fair_floor";

/**
 * `absent`: its terminal is off. `ready`: switched on, not in the lesson yet. `here`: in it. `away`: has left it.
 * `cut`: was in it, and nothing is heard of it any more.
 */
export type Presence = "absent" | "ready" | "here" | "away" | "cut";

/**
 * `speaking`: called on, everybody hears it. `open`: heard, as all are in a discussion. `muted`: by the teacher.
 * `listening`: not heard until it is called on. `broken`: its microphone gives nothing. `none`: sends no sound.
 */
export type MicState = "speaking" | "open" | "muted" | "listening" | "broken" | "none";

export interface Room {
  /** Stays the same while it is on the wall. */
  key: string;
  /** From 1; the number key of the first nine. */
  place: number;
  /** As a participant, whom commands are about; null before it was ever in the lesson. */
  id: string | null;
  school: string;
  /** The room itself; empty when the participant brought one name only, which is then `school`. */
  classroom: string;
  presence: Presence;
  children: number | null;
  /** The teacher has called on it: it has the floor, and its picture is wanted. */
  called: boolean;
  mic: MicState;
  /** The name of the publication with its picture; null while it sends none. */
  picture: string | null;
  /** Its place in the queue of raised hands, from 1; 0 when its hand is down. */
  hand: number;
  link: LinkView | null;
  fair: FairFloor;
  /** Sentences for people. */
  faults: string[];
}

/** The planned rooms in the order of the plan, then those who came without being planned, as they came. */
export function wallOf(
  state: LessonSnapshot | null,
  planned: readonly ListenerView[],
  now_ms: number,
): Room[] {
  const classrooms = (state?.participants ?? []).filter((p) => p.role === "classroom");
  const byId = new Map(classrooms.map((p) => [p.id, p]));
  const plannedIds = new Set(planned.map((listener) => listener.device_id));
  const guests = classrooms.filter((p) => !plannedIds.has(p.id)).sort(byArrival);
  return [
    ...planned.map((listener) => plannedRoom(listener, byId.get(listener.device_id ?? "") ?? null)),
    ...guests.map((guest) => ({
      key: guest.id,
      school: guest.name,
      classroom: "",
      presence: presenceOf(guest),
      children: guest.report?.children ?? null,
      faults: guest.report?.faults ?? [],
      participant: guest,
    })),
  ].map(({ participant, ...room }, i) => ({
    ...room,
    place: i + 1,
    id: participant?.id ?? null,
    link: participant?.online ? participant.link : null,
    ...standing(participant, state, now_ms),
  }));
}

function plannedRoom(listener: ListenerView, participant: ParticipantView | null) {
  const outside: Presence = listener.online ? "ready" : "absent";
  return {
    key: `room-${listener.classroom_id}`,
    school: listener.school,
    classroom: listener.classroom,
    presence: participant === null ? outside : presenceOf(participant),
    children: participant?.report?.children ?? listener.children,
    // What the terminal says in the lesson is newer than its self-test before it.
    faults: participant?.report?.faults ?? listener.faults,
    participant,
  };
}

function presenceOf({ online, cut }: ParticipantView): Presence {
  if (online) return "here";
  return cut ? "cut" : "away";
}

function byArrival(a: ParticipantView, b: ParticipantView): number {
  return a.joined_at.localeCompare(b.joined_at) || a.id.localeCompare(b.id);
}

/** What the lesson says of a participant. */
function standing(participant: ParticipantView | null, state: LessonSnapshot | null, now_ms: number) {
  const fair = fairFloor(participant, state?.lesson ?? null, now_ms);
  if (participant === null || state === null) {
    return { called: false, mic: "none" as const, picture: null, hand: 0, fair };
  }
  const own = state.publications.filter((p) => p.participant_id === participant.id);
  return {
    called: state.lesson.called.includes(participant.id),
    mic: micState(participant, state, own),
    picture: own.find((p) => p.label === "camera")?.name ?? null,
    hand: state.lesson.hands.indexOf(participant.id) + 1,
    fair,
  };
}

function micState(
  { id, online, report }: ParticipantView,
  { lesson }: LessonSnapshot,
  own: readonly PublicationView[],
): MicState {
  if (!online || !lesson.interactive) return "none";
  if (report?.microphone === false) return "broken";
  const mics = own.filter((p) => p.label === "mic");
  if (mics.length === 0) return "none";
  if (!mics.some((p) => p.live)) return "broken";
  if (lesson.muted.includes(id)) return "muted";
  if (!lesson.floor.includes(id)) return "listening";
  return lesson.mode === "discuss" ? "open" : "speaking";
}

/**
 * What pressing its tile does. `return`: takes the floor back, also from a room that is cut off, which would have it
 * again on coming back. Null: it is not in class and cannot be called on.
 */
export function pressOf({ called, id, presence }: Room): "call" | "return" | null {
  if (called) return "return";
  return id !== null && presence === "here" ? "call" : null;
}

/** Those with raised hands, the first one first. */
export function queueOf(rooms: readonly Room[]): Room[] {
  return rooms.filter((room) => room.hand > 0).sort((a, b) => a.hand - b.hand);
}

/** Its name in one line: 山坪小学 三年级教室. */
export function fullName({ school, classroom }: Pick<Room, "school" | "classroom">): string {
  return classroom ? `${school} ${classroom}` : school;
}

/** From how many rooms on the tiles are rows with a small picture, and columns of them. */
export type WallShape = "one" | "few" | "some" | "many";

export function wallShape(rooms: number): WallShape {
  if (rooms <= 1) return "one";
  if (rooms <= 3) return "few";
  return rooms <= 6 ? "some" : "many";
}

/** The gravest thing that is wrong with a room that is here: a sentence of its own, or a cause of its link. */
export type Trouble = { fault: string } | { cause: string };

export function troubleOf({ presence, faults, link }: Room): Trouble | null {
  if (presence !== "here" && presence !== "ready") return null; // that is said anyway
  const [fault] = faults;
  if (fault !== undefined) return { fault };
  return link !== null && link.word !== "good" ? { cause: link.cause } : null;
}

/** The place of this classroom in one lesson: what it is told, what it gets, what it sends. */

import {
  computed,
  effectScope,
  onScopeDispose,
  reactive,
  ref,
  shallowRef,
  watch,
  type EffectScope,
} from "vue";
import type { ComputedRef, Ref, ShallowRef } from "vue";
import type { LessonSnapshot } from "../protocol/lesson_state";
import type { Role } from "../protocol/messages.gen";
import type { Slot } from "../protocol/whep_session";
import { isFilledBy } from "../protocol/whep_session";
import type { LessonAccess } from "../protocol/token";
import type { LocalDevices } from "../state/devices";
import { useLesson, type Lesson } from "../state/lesson";
import { usePublisher, type Publisher } from "../state/publisher";
import { useReceiver, type Receiver } from "../state/receiver";

/** Which part of the lesson a window shows: all of it, or, on a terminal with two screens, one of its pictures. */
export type Screen = "both" | "slides" | "teacher";

const SLIDES: Slot = { label: "slides", kind: "video" };
const TEACHER: readonly Slot[] = [
  { label: "programme", name: "camera", kind: "video" },
  { label: "mic", kind: "audio" },
  { label: "speaker", name: "speaker-1", kind: "audio" },
  { label: "speaker", name: "speaker-2", kind: "audio" },
];
const SLOTS: Record<Screen, readonly Slot[]> = {
  both: [TEACHER[0] as Slot, SLIDES, ...TEACHER.slice(1)],
  slides: [SLIDES],
  teacher: TEACHER,
};

export interface Seat {
  lesson: Lesson;
  receiver: Receiver;
  /** Null in a window that sends nothing. */
  publisher: Publisher | null;
  pictures: { camera: boolean; slides: boolean };
  /** The main classroom sends, or did until a moment ago, something that this window shows. */
  anyLive: ComputedRef<boolean>;
  /** Asked to speak by the teacher. */
  called: ComputedRef<boolean>;
  /** Whether the others are to hear us. */
  heard: ComputedRef<boolean>;
  /** Whether our microphone arrives where they would hear it from. */
  micArrives: ComputedRef<boolean>;
  /** This is the main classroom. */
  main: ComputedRef<boolean>;
  handUp: ComputedRef<boolean>;
  /** What the teacher wrote to us last, and when it came, in milliseconds. */
  note: Readonly<Ref<{ text: string; received_ms: number } | null>>;
  /** When a lesson that we saw live became `planned`, in milliseconds; null otherwise. */
  plannedAgainSince_ms: Ref<number | null>;
}

/** Whether this lesson has given the word to `you`, in which way. */
export function floorOf(state: LessonSnapshot | null): { called: boolean; heard: boolean } {
  if (state?.lesson.state !== "live") return { called: false, heard: false };
  const { called, floor, muted } = state.lesson;
  const heard = floor.includes(state.you) && !muted.includes(state.you);
  return { called: called.includes(state.you), heard };
}

/**
 * What this terminal is in the lesson. In the main classroom it only shows: camera and microphone are the capture
 * agent's there, and the teacher's voice from a loudspeaker beside the teacher would come back through that microphone.
 */
export function roleOf(state: LessonSnapshot | null): Role | null {
  return state?.participants.find(({ id }) => id === state.you)?.role ?? null;
}

/** Whether the sound of our microphone arrives at the server, as that says. */
export function micArrives(state: LessonSnapshot | null): boolean {
  return (state?.publications ?? []).some(
    ({ participant_id, label, live }) => participant_id === state?.you && label === "mic" && live,
  );
}

/** A seat in the lesson that we have access to; leaves it and takes the next when that is another. */
export function useSeat(
  access: Readonly<Ref<LessonAccess | null>>,
  screen: Screen,
  devices: LocalDevices,
): Readonly<ShallowRef<Seat | null>> {
  const seat = shallowRef<Seat | null>(null);
  let scope: EffectScope | null = null;
  watch(
    access,
    (now) => {
      scope?.stop();
      scope = null;
      seat.value = null;
      if (now === null) return;
      scope = effectScope(true);
      seat.value = scope.run(() => takeSeat(now, screen, devices)) ?? null;
    },
    { immediate: true },
  );
  onScopeDispose(() => scope?.stop());
  return seat;
}

function takeSeat(access: LessonAccess, screen: Screen, devices: LocalDevices): Seat {
  const lesson = useLesson(access);
  const slots = SLOTS[screen];
  const floor = computed(() => floorOf(lesson.state.value));
  const pictures = reactive({ camera: false, slides: false });
  const plannedAgainSince_ms = ref<number | null>(null);

  // Before the lesson the microphone is open for its test; nothing is sent then.
  const open = computed(() => floor.value.heard || lesson.state.value?.lesson.state !== "live");
  const publisher = screen === "slides" ? null : usePublisher(lesson, access, devices, open);
  const receiver = useReceiver(lesson, access, slots);

  const note = ref<{ text: string; received_ms: number } | null>(null);
  watch(lesson.note, (now) => {
    note.value = now === null ? null : { text: now.text, received_ms: Date.now() };
  });
  watch(
    () => lesson.state.value?.lesson.state ?? null,
    (now, before) => {
      plannedAgainSince_ms.value = now === "planned" && before === "live" ? Date.now() : null;
      // A lesson that is over leaves no picture behind for the next one.
      if (now === "ended") pictures.camera = pictures.slides = false;
    },
  );
  return {
    lesson,
    receiver,
    publisher,
    pictures,
    anyLive: computed(() =>
      (lesson.state.value?.publications ?? []).some(
        (publication) => publication.live && slots.some((slot) => isFilledBy(slot, publication)),
      ),
    ),
    called: computed(() => floor.value.called),
    heard: computed(() => floor.value.heard),
    micArrives: computed(() => micArrives(lesson.state.value)),
    main: computed(() => roleOf(lesson.state.value) === "capture"),
    handUp: computed(() => {
      const state = lesson.state.value;
      return state !== null && state.lesson.hands.includes(state.you);
    }),
    note,
    plannedAgainSince_ms,
  };
}

/** The control connection of a page as reactive state. */

import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from "vue";
import { ControlClient, type ControlStatus, type Refusal } from "../protocol/control";
import type { LessonSnapshot } from "../protocol/lesson_state";
import type { Note } from "../protocol/messages.gen";
import type { LessonAccess } from "../protocol/token";

export interface Lesson {
  id: string;
  /** What we last knew; stays while the connection is lost. */
  state: Readonly<ShallowRef<LessonSnapshot | null>>;
  status: Readonly<Ref<ControlStatus>>;
  refusal: Readonly<ShallowRef<Refusal | null>>;
  /** Server clock minus ours: the clocks of village PCs are often wrong. */
  clockOffset_ms: Readonly<Ref<number>>;
  /** The media session of ours that the server has ended last. */
  endedSession: Readonly<ShallowRef<string | null>>;
  /** What the teacher wrote to us last. */
  note: Readonly<ShallowRef<Pick<Note, "text" | "at"> | null>>;
  /** How loud the teacher wants us, 0 to 100; a new object each time that it is set. */
  volume: Readonly<ShallowRef<{ volume: number } | null>>;
  control: ControlClient;
}

export function useLesson(access: LessonAccess): Lesson {
  const state = shallowRef<LessonSnapshot | null>(null);
  const status = ref<ControlStatus>("connecting");
  const refusal = shallowRef<Refusal | null>(null);
  const clockOffset_ms = ref(0);
  const endedSession = shallowRef<string | null>(null);
  const note = shallowRef<Pick<Note, "text" | "at"> | null>(null);
  const volume = shallowRef<{ volume: number } | null>(null);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const control = new ControlClient({
    url: `${scheme}//${location.host}/ws/${encodeURIComponent(access.lesson)}`,
    token: (refused) => access.token(refused),
    name: access.name ?? "",
    events: {
      status(next, why) {
        refusal.value = why;
        status.value = next;
      },
      state: (next) => (state.value = next),
      clockOffset: (offset_ms) => (clockOffset_ms.value = offset_ms),
      sessionEnded: (session_id) => (endedSession.value = session_id),
      note: (next) => (note.value = next),
      volume: (next) => (volume.value = { volume: next }),
    },
  });
  const retry = () => control.retryNow();
  window.addEventListener("online", retry);
  control.start();
  onScopeDispose(() => {
    window.removeEventListener("online", retry);
    control.stop();
  });
  const id = access.lesson;
  return { id, state, status, refusal, clockOffset_ms, endedSession, note, volume, control };
}

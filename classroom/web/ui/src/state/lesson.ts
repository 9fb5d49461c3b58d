/** The control connection of a page as reactive state. */

import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from "vue";
import { ControlClient, type ControlStatus, type Refusal } from "../protocol/control";
import type { LessonSnapshot } from "../protocol/lesson_state";
import type { Credentials } from "./token";

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
  control: ControlClient;
}

export function useLesson({ token, claims }: Credentials): Lesson {
  const state = shallowRef<LessonSnapshot | null>(null);
  const status = ref<ControlStatus>("connecting");
  const refusal = shallowRef<Refusal | null>(null);
  const clockOffset_ms = ref(0);
  const endedSession = shallowRef<string | null>(null);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const control = new ControlClient({
    url: `${scheme}//${location.host}/ws/${encodeURIComponent(claims.lesson)}`,
    token,
    name: claims.name,
    events: {
      status(next, why) {
        refusal.value = why;
        status.value = next;
      },
      state: (next) => (state.value = next),
      clockOffset: (offset_ms) => (clockOffset_ms.value = offset_ms),
      sessionEnded: (session_id) => (endedSession.value = session_id),
    },
  });
  const retry = () => control.retryNow();
  window.addEventListener("online", retry);
  control.start();
  onScopeDispose(() => {
    window.removeEventListener("online", retry);
    control.stop();
  });
  return { id: claims.lesson, state, status, refusal, clockOffset_ms, endedSession, control };
}

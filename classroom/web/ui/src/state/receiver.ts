/** The media of a lesson as reactive state: follows the control connection, keeps WHEP going while the lesson is live. */

import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from "vue";
import type { Problem } from "../protocol/problem";
import type { ReceiveStats } from "../protocol/receive_stats";
import { WhepClient, type ReceiveStatus } from "../protocol/whep";
import { isFilledBy, type Slot, type SlotTracks } from "../protocol/whep_session";
import type { LessonAccess } from "../protocol/token";
import type { Lesson } from "./lesson";

export interface Receiver {
  status: Readonly<Ref<ReceiveStatus>>;
  problem: Readonly<ShallowRef<Problem | null>>;
  /** The tracks of the present session; null while there is none. */
  tracks: Readonly<ShallowRef<SlotTracks | null>>;
  /** Changes just before a session is dropped: now is the time to keep its last picture. */
  closings: Readonly<Ref<number>>;
  stats: Readonly<ShallowRef<ReceiveStats | null>>;
}

export function useReceiver(lesson: Lesson, access: LessonAccess, slots: readonly Slot[]): Receiver {
  const status = ref<ReceiveStatus>("idle");
  const problem = shallowRef<Problem | null>(null);
  const tracks = shallowRef<SlotTracks | null>(null);
  const closings = ref(0);
  const stats = shallowRef<ReceiveStats | null>(null);
  const client = new WhepClient(slots, {
    status(next, why) {
      status.value = next;
      problem.value = why;
    },
    tracks: (next) => (tracks.value = next),
    closing: () => (closings.value += 1),
    stats: (next) => (stats.value = next),
  });

  watch(
    [lesson.state, lesson.status],
    ([state, connection], [stateBefore, connectionBefore]) => {
      if (connection !== "connected" && connectionBefore === "connected") client.suspect();
      if (state === null || connection !== "connected") return;
      if (state.lesson.state !== "live") {
        client.stop(true);
        return;
      }
      client.expectMedia(state.publications.some((p) => p.live && slots.some((slot) => isFilledBy(slot, p))));
      const participant = encodeURIComponent(state.you);
      client.start({
        url: `/whep/${encodeURIComponent(lesson.id)}?participant=${participant}`,
        token: (refused) => access.token(refused),
      });
      const cameBack = connectionBefore !== "connected" || stateBefore?.lesson.state !== "live";
      if (cameBack) client.retryNow();
    },
    { flush: "sync", immediate: true }, // a receiver may also be wanted in the midst of a lesson
  );

  watch(
    lesson.endedSession,
    (session_id) => {
      if (session_id !== null) client.sessionEnded(session_id);
    },
    { flush: "sync" },
  );

  // A closed tab says goodbye; a page that the browser froze and brings back starts afresh.
  const leave = () => client.stop();
  window.addEventListener("pagehide", leave);
  onScopeDispose(() => {
    window.removeEventListener("pagehide", leave);
    client.stop();
  });
  return { status, problem, tracks, closings, stats };
}

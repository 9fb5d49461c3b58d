/** What a classroom sends to its lesson: follows the control connection, keeps WHIP going while the lesson is live. */

import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from "vue";
import type { LessonSnapshot } from "../protocol/lesson_state";
import type { Problem } from "../protocol/problem";
import type { LessonAccess } from "../protocol/token";
import { WhipClient, type SendStatus } from "../protocol/whip";
import type { LocalDevices } from "./devices";
import type { Lesson } from "./lesson";

export interface Publisher {
  status: Readonly<Ref<SendStatus>>;
  problem: Readonly<ShallowRef<Problem | null>>;
}

/** Whether this lesson takes picture and sound of us: the main classroom has a capture agent for that. */
export function isSender({ lesson, participants, you }: LessonSnapshot): boolean {
  const linked = participants.some(({ id, role }) => id === you && role === "classroom");
  return lesson.state === "live" && lesson.interactive && linked;
}

/**
 * Send camera and microphone of these devices while the lesson takes them.
 *
 * The microphone is open while `heard` is true; else silence is sent, which costs next to nothing and lets the voice
 * through at once when it is.
 */
export function usePublisher(
  lesson: Lesson,
  access: LessonAccess,
  devices: LocalDevices,
  heard: Readonly<Ref<boolean>>,
): Publisher {
  const status = ref<SendStatus>("idle");
  const problem = shallowRef<Problem | null>(null);
  const client = new WhipClient({
    status(next, why) {
      status.value = next;
      problem.value = why;
    },
  });

  watch(
    [heard, devices.microphone.track],
    ([open, track]) => {
      if (track !== null) track.enabled = open;
    },
    { immediate: true, flush: "sync" },
  );

  watch(
    [lesson.state, lesson.status, devices.camera.track, devices.microphone.track],
    ([state, connection, camera, microphone], [, connectionBefore]) => {
      if (state === null || connection !== "connected") return;
      const tracks = [camera, microphone].filter((track) => track !== null);
      if (!isSender(state) || tracks.length === 0) {
        client.stop(state.lesson.state !== "live");
        return;
      }
      const participant = encodeURIComponent(state.you);
      client.start(
        {
          url: `/whip/${encodeURIComponent(lesson.id)}?participant=${participant}`,
          token: (refused) => access.token(refused),
        },
        tracks,
      );
      if (connectionBefore !== "connected") client.retryNow();
    },
    { immediate: true, flush: "sync" },
  );

  watch(
    lesson.endedSession,
    (session_id) => {
      if (session_id !== null) client.sessionEnded(session_id);
    },
    { flush: "sync" },
  );

  const leave = (): void => client.stop();
  window.addEventListener("pagehide", leave);
  onScopeDispose(() => {
    window.removeEventListener("pagehide", leave);
    client.stop();
  });
  return { status, problem };
}

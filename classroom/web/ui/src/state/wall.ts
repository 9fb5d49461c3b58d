/** The small pictures of the wall: WHEP sessions of their own, apart from the programme's. */

import { effectScope, onScopeDispose, ref, shallowRef, watch, type EffectScope, type Ref } from "vue";
import type { LessonAccess } from "../protocol/token";
import { tileOf } from "../protocol/whep_session";
import type { Lesson } from "./lesson";
import { useReceiver, type Receiver } from "./receiver";

export interface Tile {
  track: MediaStreamTrack | null;
  /** Changes just before its session is dropped: now is the time to keep its last picture. */
  closings: number;
}

const TILES_PER_SESSION = 16;
/** Classrooms come in together when class begins: a session is opened again once for all of them. */
const GATHER_MS = 400;

interface Sheet {
  names: string[];
  receiver: Receiver;
  scope: EffectScope;
  /** What `closings` of the sheets before it in this place had come to. */
  closingsBefore: number;
}

/**
 * Receive a small picture of each of these publications, whether it is there yet or not. A session has its slots for
 * good, so a name that is new opens the last session again; those that are gone keep their slot, silent.
 */
export function useWall(
  lesson: Lesson,
  access: LessonAccess,
  wanted: Readonly<Ref<readonly string[]>>,
): (name: string) => Tile {
  const sheets = shallowRef<Sheet[]>([]);
  const names: string[] = [];
  const gathering = ref<ReturnType<typeof setTimeout>>();

  function open(): void {
    gathering.value = undefined;
    const next: Sheet[] = [];
    for (let first = 0; first < names.length; first += TILES_PER_SESSION) {
      const before = sheets.value[next.length];
      const part = names.slice(first, first + TILES_PER_SESSION);
      next.push(before?.names.length === part.length ? before : newSheet(part, before));
    }
    sheets.value = next;
  }

  function newSheet(part: string[], before: Sheet | undefined): Sheet {
    before?.scope.stop();
    const scope = effectScope(true);
    const receiver = scope.run(() => useReceiver(lesson, access, part.map(tileOf)));
    if (receiver === undefined) throw new Error("a scope that was just made is active");
    const closingsBefore =
      before === undefined ? 0 : before.closingsBefore + before.receiver.closings.value + 1;
    return { names: part, receiver, scope, closingsBefore };
  }

  watch(
    wanted,
    (now) => {
      const fresh = now.filter((name) => !names.includes(name));
      if (fresh.length === 0) return;
      names.push(...fresh);
      gathering.value ??= setTimeout(open, sheets.value.length === 0 ? 0 : GATHER_MS);
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    clearTimeout(gathering.value);
    for (const { scope } of sheets.value) scope.stop();
  });

  return (name) => {
    const sheet = sheets.value.find(({ names }) => names.includes(name));
    if (sheet === undefined) return { track: null, closings: 0 };
    return {
      track: sheet.receiver.tracks.value?.get(tileOf(name).label) ?? null,
      closings: sheet.closingsBefore + sheet.receiver.closings.value,
    };
  };
}

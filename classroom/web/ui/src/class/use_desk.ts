/** What the teacher can do, and what came of it. */

import { computed, onScopeDispose, ref, shallowRef, type Ref } from "vue";
import { useI18n } from "vue-i18n";
import { CommandFailed } from "../protocol/pending";
import type { ListenerView } from "../protocol/device_messages.gen";
import { useNow } from "../state/clock";
import type { Lesson } from "../state/lesson";
import { fullName, pressOf, queueOf, wallOf, type Room } from "./wall";

const SAID_MS = 6_000;

export type Desk = ReturnType<typeof useDesk>;

export function useDesk(lesson: Lesson, planned: Readonly<Ref<readonly ListenerView[]>>) {
  const { t } = useI18n();
  const now_ms = useNow(2_000);
  const control = lesson.control;
  const view = computed(() => lesson.state.value?.lesson ?? null);
  const rooms = computed(() =>
    wallOf(lesson.state.value, planned.value, now_ms.value + lesson.clockOffset_ms.value),
  );
  const queue = computed(() => queueOf(rooms.value));
  const called = computed(() => rooms.value.filter((room) => room.called));
  const live = computed(() => view.value?.state === "live" && lesson.status.value === "connected");
  const discussing = computed(() => view.value?.mode === "discuss");
  const heard = computed(() => rooms.value.filter(({ mic }) => mic === "open" || mic === "speaking"));
  const allMuted = computed(
    () =>
      rooms.value.some(({ mic }) => mic === "muted") &&
      rooms.value.every(({ mic }) => mic === "muted" || mic === "none" || mic === "broken"),
  );

  /** What the main classroom sends; a linked one has a camera, too. */
  const mainPublications = computed(() => {
    const { participants = [], publications = [] } = lesson.state.value ?? {};
    const linked = new Set(participants.filter((p) => p.role === "classroom").map((p) => p.id));
    return publications.filter((p) => !linked.has(p.participant_id));
  });

  const failure = ref<string | null>(null);
  const said = ref<string | null>(null);
  const busy = ref(false);
  /** The room whose tile was pressed, until the server has answered. */
  const asking = shallowRef<string | null>(null);
  let clearing: ReturnType<typeof setTimeout> | undefined;
  onScopeDispose(() => clearTimeout(clearing));

  function say(where: Ref<string | null>, text: string): void {
    failure.value = said.value = null;
    where.value = text;
    clearTimeout(clearing);
    clearing = setTimeout(() => (failure.value = said.value = null), SAID_MS);
  }

  /** False when it was refused; why is said on the page. */
  async function carryOut(run: () => Promise<void>): Promise<boolean> {
    failure.value = null;
    try {
      await run();
      return true;
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      const { code, detail } = error;
      say(failure, code === "lost" || code === "timeout" ? t(`desk.failed.${code}`) : detail || code);
      return false;
    }
  }

  async function alone(run: () => Promise<void>): Promise<void> {
    busy.value = true;
    await carryOut(run);
    busy.value = false;
  }

  /** Call on a room, or take the floor back from it. */
  async function callOn(room: Room, beside = false): Promise<void> {
    const { id } = room;
    const press = pressOf(room);
    if (!live.value) return;
    if (id === null || press === null) {
      say(failure, t("desk.nobodyCalled"));
      return;
    }
    asking.value = room.key;
    await carryOut(() => (press === "return" ? control.returnFloor(id) : control.callOn(id, { beside })));
    asking.value = null;
  }

  async function note(room: Room | null, text: string): Promise<boolean> {
    const sent = await carryOut(() => control.sendNote(text, room?.id ?? null));
    if (sent) say(said, t("desk.sent", { room: room === null ? t("desk.everybody") : fullName(room), text }));
    return sent;
  }

  return {
    view,
    rooms,
    queue,
    mainPublications,
    called,
    live,
    discussing,
    heard,
    allMuted,
    failure,
    said,
    busy,
    asking,
    callOn,
    note,
    start: () => alone(() => control.startLesson()),
    end: () => alone(() => control.endLesson()),
    returnFloor: () => carryOut(() => control.returnFloor(null)),
    toggleMode: () => carryOut(() => control.setMode(discussing.value ? "listen" : "discuss")),
    muteAll: (muted = true) => carryOut(() => control.mute(null, muted)),
    mute: (room: Room) => carryOut(() => control.mute(room.id, room.mic !== "muted")),
    spotlight: (programme: string | null) => carryOut(() => control.spotlight(programme)),
    handDown: (room: Room) =>
      carryOut(() => (room.id === null ? Promise.resolve() : control.lowerHand(room.id))),
    nextHand: () => {
      const first = queue.value[0];
      if (first !== undefined) void callOn(first);
    },
  };
}

/** How many children are in the room: as the timetable says, until the class says otherwise for this lesson. */

import { computed, ref, watch, type ComputedRef, type WritableComputedRef, type Ref } from "vue";
import type { Agenda } from "../protocol/device_messages.gen";

const KEY = "classroom.terminal.children";

interface Counted {
  lesson: string;
  count: number;
}

function stored(): Counted | null {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "null") as Partial<Counted> | null;
    if (typeof found?.lesson === "string" && typeof found.count === "number") return found as Counted;
  } catch {
    // Somebody else's.
  }
  return null;
}

/** What the timetable says of the class in this room; 0 when it says nothing. */
export function plannedChildren(agenda: Agenda | null): number {
  const own = agenda?.lesson?.listeners.find((room) => room.classroom_id === agenda.classroom.id);
  return own?.children ?? 0;
}

export interface Children {
  /** As the class sees and changes it. */
  shown: WritableComputedRef<number>;
  /** What the class said; null until it did, so that what the timetable says is not told to the server as news. */
  counted: ComputedRef<number | null>;
}

export function useChildren(agenda: Readonly<Ref<Agenda | null>>): Children {
  const last = ref(stored());
  const lesson = computed(() => agenda.value?.lesson?.id ?? null);
  watch(last, (now) => localStorage.setItem(KEY, JSON.stringify(now)));
  const counted = computed(() => {
    return last.value !== null && last.value.lesson === lesson.value ? last.value.count : null;
  });
  const shown = computed({
    get: () => counted.value ?? plannedChildren(agenda.value),
    set(count) {
      if (lesson.value !== null) last.value = { lesson: lesson.value, count };
    },
  });
  return { shown, counted };
}

/** How many children are in the room: as the timetable says, until the class says otherwise for this lesson. */

import { computed, ref, watch, type WritableComputedRef, type Ref } from "vue";
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

export function useChildren(agenda: Readonly<Ref<Agenda | null>>): WritableComputedRef<number> {
  const counted = ref(stored());
  const lesson = computed(() => agenda.value?.lesson?.id ?? null);
  watch(counted, (now) => localStorage.setItem(KEY, JSON.stringify(now)));
  return computed({
    get: () =>
      counted.value !== null && counted.value.lesson === lesson.value
        ? counted.value.count
        : plannedChildren(agenda.value),
    set(count) {
      if (lesson.value !== null) counted.value = { lesson: lesson.value, count };
    },
  });
}

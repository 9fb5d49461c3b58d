/** What is within reach of who looks: another school's lesson that is listened to is seen, and not changed. */

import { computed } from "vue";
import { all } from "./directory";
import { useAnswer } from "./use_answer";

export function useReach(kind: "schools" | "classrooms") {
  const { answer } = useAnswer(() => all(kind));
  const ids = computed(() => new Set(answer.value?.map(({ id }) => id)));
  return { reaches: (id: number) => ids.value.has(id) };
}

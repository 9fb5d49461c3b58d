/** Keeps what is chosen in a row of choices in sight, where the row is wider than the screen. */

import { onMounted, onUpdated, useTemplateRef } from "vue";

export function useInView(row: string, chosen: string): void {
  const element = useTemplateRef<HTMLElement>(row);
  const show = () =>
    element.value?.querySelector(chosen)?.scrollIntoView({ block: "nearest", inline: "center" });
  onMounted(show);
  onUpdated(show);
}

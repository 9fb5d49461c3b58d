/** Work that is done again and again, but only while somebody wants it. */

import { onScopeDispose, watch, type Ref } from "vue";

/**
 * Do `step` while `wanted` is true; it returns how long to rest. One at a time: a step that still runs when it is not
 * wanted any more has no successor, also if it is wanted again before the step ends.
 */
export function repeatWhile(wanted: Readonly<Ref<boolean>>, step: () => Promise<number>): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let round = 0;
  async function go(mine: number): Promise<void> {
    const pause_ms = await step();
    if (mine === round) timer = setTimeout(() => void go(mine), pause_ms);
  }
  const stop = (): void => {
    round += 1;
    clearTimeout(timer);
  };
  watch(
    wanted,
    (now) => {
      stop();
      if (now) void go(round);
    },
    { immediate: true },
  );
  onScopeDispose(stop);
}

/** The one thing that a class does by itself: raise its hand, and take it down again. */

import { onScopeDispose, ref, type Ref } from "vue";
import { actionOf, isNewPress, turned } from "./keys";
import type { Seat } from "./seat";
import type { Volume } from "./use_volume";

/** Raise or lower the hand; what follows within a moment is the same press. */
export function useHand(seat: Readonly<Ref<Seat | null>>): () => void {
  const pressedAt_ms = ref(-Infinity);
  return () => {
    const now_ms = performance.now();
    const taken = seat.value;
    if (taken?.lesson.state.value?.lesson.state !== "live" || !isNewPress(now_ms, pressedAt_ms.value)) return;
    pressedAt_ms.value = now_ms;
    // A refusal changes nothing on the screen, which shows what the teacher sees.
    taken.lesson.control
      .raiseHand(!taken.handUp.value)
      .catch((error: unknown) => console.warn("hand:", error));
  };
}

/** Keyboard and remote control. Buttons on the screen that have the focus keep their own keys. */
export function useKeys(raise: () => void, volume: Volume): void {
  const pressed = (event: KeyboardEvent): void => {
    const action = actionOf(event);
    if (action === null) return;
    const own = event.target instanceof HTMLButtonElement && !("hand" in event.target.dataset);
    if (action === "hand" && own) return;
    event.preventDefault();
    if (action === "hand") raise();
    else volume.set(turned(volume.value.value, action));
  };
  window.addEventListener("keydown", pressed);
  onScopeDispose(() => window.removeEventListener("keydown", pressed));
}

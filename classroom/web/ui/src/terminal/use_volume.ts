/** How loud this terminal is: set here by keys, from afar by teacher and operator; the last one counts. */

import { onScopeDispose, ref, type Ref } from "vue";

const KEY = "classroom.terminal.volume";
const DEFAULT = 80;

function stored(): number {
  const volume = Number(localStorage.getItem(KEY) ?? DEFAULT);
  return volume >= 0 && volume <= 100 ? Math.round(volume) : DEFAULT;
}

export interface Volume {
  /** 0 to 100. */
  value: Readonly<Ref<number>>;
  set(volume: number): void;
}

export function useVolume(): Volume {
  const value = ref(stored());
  // Keys may reach the other window of the same terminal, the one with the slides.
  const elsewhere = (event: StorageEvent): void => {
    if (event.key === KEY) value.value = stored();
  };
  window.addEventListener("storage", elsewhere);
  onScopeDispose(() => window.removeEventListener("storage", elsewhere));
  return {
    value,
    set(volume) {
      value.value = volume;
      localStorage.setItem(KEY, String(volume));
    },
  };
}

/** While the terminal is unpaired: a code on the screen, a new one by itself, until an operator has used it. */

import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from "vue";
import { beginPairing, pollPairing, type Pairing } from "../protocol/pairing";

const POLL_MS = 2_000;
const AGAIN_MS = 3_000;
const PAIRED = "classroom.terminal.paired";

export interface PairingCode {
  pairing: Readonly<ShallowRef<Pairing | null>>;
  /** The server gives no code at the moment; asked again by itself. */
  failed: Readonly<Ref<boolean>>;
}

export function usePairing(wanted: Readonly<Ref<boolean>>, paired: () => void): PairingCode {
  const pairing = shallowRef<Pairing | null>(null);
  const failed = ref(false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let round = 0;

  async function step(mine: number): Promise<void> {
    let pause_ms = POLL_MS;
    try {
      if (pairing.value === null) {
        const begun = await beginPairing(deviceName());
        if (mine === round) pairing.value = begun;
      } else {
        const status = await pollPairing(pairing.value);
        if (mine !== round) return;
        if (status === "expired") {
          pairing.value = null;
          pause_ms = 0;
        } else if (status === "paired") {
          stop();
          localStorage.setItem(PAIRED, String(Date.now()));
          paired();
          return;
        }
      }
      failed.value = false;
    } catch {
      pause_ms = AGAIN_MS;
      failed.value = pairing.value === null;
    }
    if (mine === round) timer = setTimeout(() => void step(mine), pause_ms);
  }

  function stop(): void {
    round += 1;
    clearTimeout(timer);
    pairing.value = null;
    failed.value = false;
  }

  // The cookie is that of the browser: the window on the other screen has it as soon as this one, and the reverse.
  const elsewhere = (event: StorageEvent): void => {
    if (event.key === PAIRED && wanted.value) paired();
  };
  window.addEventListener("storage", elsewhere);
  watch(
    wanted,
    (now) => {
      stop();
      if (now) void step(round);
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    window.removeEventListener("storage", elsewhere);
    stop();
  });
  return { pairing, failed };
}

/** What an operator may recognise it by until it has a name: its operating system, as the browser tells it. */
function deviceName(): string {
  return /\(([^)]+)\)/.exec(navigator.userAgent)?.[1]?.slice(0, 60) ?? "";
}

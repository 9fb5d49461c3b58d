/** The connection of a paired device as reactive state. */

import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from "vue";
import { DeviceClient, type DeviceStatus } from "../protocol/device";
import type { Agenda } from "../protocol/device_messages.gen";

export interface Device {
  /** What we last knew; stays while the connection is lost. */
  agenda: Readonly<ShallowRef<Agenda | null>>;
  status: Readonly<Ref<DeviceStatus>>;
  /** As an operator has set it, 0 to 100; null leaves it to the room. */
  volume: Readonly<Ref<number | null>>;
  /** Server clock minus ours: the clocks of village PCs are often wrong. */
  clockOffset_ms: Readonly<Ref<number>>;
  /** `report()` tells how the device is; `start()` goes on after it has been paired anew. */
  client: DeviceClient;
}

export function useDevice(): Device {
  const agenda = shallowRef<Agenda | null>(null);
  const status = ref<DeviceStatus>("connecting");
  const volume = ref<number | null>(null);
  const clockOffset_ms = ref(0);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const client = new DeviceClient({
    url: `${scheme}//${location.host}/ws/device`,
    events: {
      status(next) {
        if (next === "unpaired") agenda.value = null;
        status.value = next;
      },
      agenda: (next) => (agenda.value = next),
      volume: (next) => (volume.value = next),
      clockOffset: (offset_ms) => (clockOffset_ms.value = offset_ms),
    },
  });
  const retry = () => client.retryNow();
  window.addEventListener("online", retry);
  client.start();
  onScopeDispose(() => {
    window.removeEventListener("online", retry);
    client.stop();
  });
  return { agenda, status, volume, clockOffset_ms, client };
}

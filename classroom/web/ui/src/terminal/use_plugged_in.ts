/** Whether a camera and a microphone are plugged in, which can be known without opening them. */

import { onScopeDispose, ref, type Ref } from "vue";

export interface PluggedIn {
  camera: boolean;
  microphone: boolean;
}

/** What the lights of a face show; `null` is not known. */
export interface Lights {
  link: boolean | null;
  camera: boolean | null;
  microphone: boolean | null;
}

/** Null before it is known, and where the browser does not tell (an address that is not secure). */
export function usePluggedIn(): Readonly<Ref<PluggedIn | null>> {
  const pluggedIn = ref<PluggedIn | null>(null);
  const devices = (navigator as { mediaDevices?: MediaDevices }).mediaDevices;
  const look = (): void => {
    devices?.enumerateDevices().then(
      (list) => {
        const has = (kind: MediaDeviceKind): boolean => list.some((device) => device.kind === kind);
        pluggedIn.value = { camera: has("videoinput"), microphone: has("audioinput") };
      },
      () => undefined,
    );
  };
  look();
  devices?.addEventListener("devicechange", look);
  onScopeDispose(() => devices?.removeEventListener("devicechange", look));
  return pluggedIn;
}

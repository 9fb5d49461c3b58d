/** This computer's camera and microphone as reactive state: opened once, opened again when they are plugged in again. */

import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from "vue";

/** `off`: not asked for. `none`: there is none. `denied`: the browser may not. `busy`: another program has it. */
export type DeviceState = "off" | "opening" | "ok" | "none" | "denied" | "busy";

export interface LocalDevice {
  state: Readonly<Ref<DeviceState>>;
  track: Readonly<ShallowRef<MediaStreamTrack | null>>;
}

export interface LocalDevices {
  camera: LocalDevice;
  microphone: LocalDevice;
  /** Open what is not open; harmless to repeat. */
  open(): void;
  close(): void;
}

/** Layers of a simulcast that a browser makes: three from 960×540 on. */
const CAMERA: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 25, max: 30 },
};
/** A room full of children and a loudspeaker: the browser's echo cancellation is the least there must be. */
const MICROPHONE: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  channelCount: 1,
};
const RETRY_MS = 10_000;

export function useDevices(): LocalDevices {
  const camera = device({ video: CAMERA });
  const microphone = device({ audio: MICROPHONE });
  let wanted = false;
  let timer: ReturnType<typeof setInterval> | undefined;
  const openMissing = (): void => {
    if (wanted) for (const one of [camera, microphone]) void one.open();
  };
  // Without a secure origin there are no devices at all, and nothing to listen to.
  const media = (navigator as { mediaDevices?: MediaDevices }).mediaDevices;
  media?.addEventListener("devicechange", openMissing);
  const close = (): void => {
    wanted = false;
    clearInterval(timer);
    for (const one of [camera, microphone]) one.close();
  };
  onScopeDispose(() => {
    media?.removeEventListener("devicechange", openMissing);
    close();
  });
  return {
    camera,
    microphone,
    close,
    open() {
      wanted = true;
      openMissing();
      clearInterval(timer);
      timer = setInterval(openMissing, RETRY_MS);
    },
  };
}

interface OpenableDevice extends LocalDevice {
  open(): Promise<void>;
  close(): void;
}

function device(constraints: MediaStreamConstraints): OpenableDevice {
  const state = ref<DeviceState>("off");
  const track = shallowRef<MediaStreamTrack | null>(null);
  let generation = 0;
  const close = (): void => {
    generation += 1;
    track.value?.stop();
    track.value = null;
    state.value = "off";
  };
  const open = async (): Promise<void> => {
    if (state.value === "ok" || state.value === "opening") return;
    const mine = ++generation;
    state.value = "opening";
    try {
      const media = (navigator as { mediaDevices?: MediaDevices }).mediaDevices;
      const stream = await media?.getUserMedia(constraints);
      const [got] = stream?.getTracks() ?? [];
      if (mine !== generation) {
        got?.stop();
      } else if (got === undefined) {
        state.value = "denied";
      } else {
        got.onended = () => {
          // Pulled out. `devicechange` or the timer opens it again.
          if (track.value === got) close();
        };
        track.value = got;
        state.value = "ok";
      }
    } catch (error) {
      if (mine === generation) state.value = stateAfter(error);
    }
  };
  return { state, track, open, close };
}

/** What an error of getUserMedia means (W3C mediacapture-streams §10.2). */
export function stateAfter(error: unknown): DeviceState {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "none";
  return name === "NotAllowedError" || name === "SecurityError" ? "denied" : "busy";
}

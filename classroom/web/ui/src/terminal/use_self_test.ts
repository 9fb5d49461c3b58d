/** Tests the terminal while it stands by, and keeps what was found. */

import { computed, onScopeDispose, ref, shallowRef, watch, type ComputedRef, type Ref } from "vue";
import { testLink } from "./link_test";
import { repeatWhile } from "./repeat";
import type { LocalDevices } from "../state/devices";
import {
  deviceFinding,
  linkFinding,
  UNTESTED,
  type Finding,
  type Findings,
  type LinkFigures,
} from "./self_test";
import type { Sound } from "./use_sound";

const LINK_AGAIN_MS = 60_000;
const LINK_LOST_AGAIN_MS = 5_000;
const DARK_LOOK_MS = 3_000;
/** The lightest pixel of a covered lens, of 255. */
const DARK = 16;
/** The microphone may take a while to open; the chime is to be heard by it. */
const MICROPHONE_WAIT_MS = 4_000;

export interface SelfTest {
  findings: ComputedRef<Findings>;
  figures: Readonly<Ref<LinkFigures | null>>;
  testing: Readonly<Ref<boolean>>;
  testSound(): Promise<void>;
}

export function useSelfTest(wanted: Readonly<Ref<boolean>>, devices: LocalDevices, sound: Sound): SelfTest {
  const loudspeaker = ref<Finding>(UNTESTED.loudspeaker);
  const link = ref<Finding>(UNTESTED.link);
  const figures = shallowRef<LinkFigures | null>(null);
  const dark = ref(false);
  const testing = ref(false);
  let soundTimer: ReturnType<typeof setTimeout> | undefined;
  let lookTimer: ReturnType<typeof setInterval> | undefined;

  repeatWhile(wanted, async () => {
    figures.value = await testLink();
    link.value = linkFinding(figures.value);
    return figures.value === null ? LINK_LOST_AGAIN_MS : LINK_AGAIN_MS;
  });

  async function testSound(): Promise<void> {
    if (testing.value) return;
    testing.value = true;
    try {
      loudspeaker.value = await sound.test();
    } finally {
      testing.value = false;
    }
  }

  watch(
    wanted,
    (now) => {
      clearTimeout(soundTimer);
      clearInterval(lookTimer);
      if (!now) return;
      soundTimer = setTimeout(() => void testSound(), MICROPHONE_WAIT_MS);
      lookTimer = setInterval(
        () => void isDark(devices.camera.track.value).then((found) => (dark.value = found)),
        DARK_LOOK_MS,
      );
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    clearTimeout(soundTimer);
    clearInterval(lookTimer);
  });

  const findings = computed<Findings>(() => {
    const camera = deviceFinding("camera", devices.camera.state.value, isSecureContext);
    const microphone = deviceFinding("microphone", devices.microphone.state.value, isSecureContext);
    return {
      camera: dark.value && camera.ok ? { ok: false, say: "camera_dark" } : camera,
      microphone: sound.silent.value ? { ok: false, say: "microphone_silent" } : microphone,
      loudspeaker: loudspeaker.value,
      link: link.value,
    };
  });
  return { findings, figures, testing, testSound };
}

async function isDark(track: MediaStreamTrack | null): Promise<boolean> {
  if (track === null) return false;
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = new MediaStream([track]);
  try {
    await video.play();
    const canvas = new OffscreenCanvas(32, 18);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (context === null) return false;
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    return data.every((value, i) => i % 4 === 3 || value < DARK);
  } catch {
    return false; // closed meanwhile
  } finally {
    video.srcObject = null;
  }
}

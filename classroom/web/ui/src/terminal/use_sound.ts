/** The sound of this terminal besides the lesson's: chimes, how loud the room is, whether it hears itself. */

import { onScopeDispose, ref, watch, type Ref } from "vue";
import { CALLED, HEARD_DB, lengthOf_s, play, prominence_db, TEST } from "./chime";
import type { Finding } from "./self_test";

const MEASURE_MS = 80;
const BEFORE_MS = 1_200;
/** Bins of 12 Hz: narrow enough that a tone stands alone. */
const FFT_SIZE = 4096;
/** A microphone that is off, or whose driver gives nothing, delivers zeros; a quiet room never does. */
const SILENT_AFTER_MS = 4_000;

export interface Sound {
  /** How loud the microphone is, root mean square of full scale, 0..1. */
  level: Readonly<Ref<number>>;
  /** The microphone is open and delivers nothing. */
  silent: Readonly<Ref<boolean>>;
  chime(): void;
  /** Play the test chime and listen to it. */
  test(): Promise<Finding>;
}

export function useSound(
  microphone: Readonly<Ref<MediaStreamTrack | null>>,
  volume: Readonly<Ref<number>>,
): Sound {
  const level = ref(0);
  const silent = ref(false);
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
  const samples = new Float32Array(analyser.fftSize);
  let source: MediaStreamAudioSourceNode | null = null;
  let heardAt_ms = Date.now();

  watch(
    microphone,
    (track) => {
      source?.disconnect();
      source = track === null ? null : context.createMediaStreamSource(new MediaStream([track]));
      source?.connect(analyser);
      heardAt_ms = Date.now();
    },
    { immediate: true },
  );

  const timer = setInterval(() => {
    if (source === null || context.state !== "running") {
      level.value = 0;
      silent.value = false;
      heardAt_ms = Date.now();
      return;
    }
    analyser.getFloatTimeDomainData(samples);
    const heard = rootMeanSquare(samples);
    if (heard > 0) heardAt_ms = Date.now();
    // A microphone that we have muted ourselves is silent, too.
    silent.value = microphone.value?.enabled === true && Date.now() - heardAt_ms > SILENT_AFTER_MS;
    level.value = Math.max(heard, level.value * 0.8); // falls slowly, as the eye likes it
  }, MEASURE_MS);

  async function test(): Promise<Finding> {
    await wake();
    if (context.state !== "running") return { ok: false, say: "loudspeaker_blocked" };
    const raw = microphone.value === null ? null : await openUnprocessed(microphone.value);
    if (raw === null) {
      play(context, TEST, volume.value);
      await pause(1000 * lengthOf_s(TEST));
      return { ok: null, say: "loudspeaker_unsure" };
    }
    const ear = context.createMediaStreamSource(raw);
    const listener = new AnalyserNode(context, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
    ear.connect(listener);
    try {
      // What sounds in the room anyway is not the chime.
      const before = await countTones(listener, BEFORE_MS);
      play(context, TEST, volume.value);
      // The way through loudspeaker, room and microphone takes some tenths of a second.
      const during = await countTones(listener, 1000 * lengthOf_s(TEST) + 600);
      if (before > 0) return { ok: null, say: "loudspeaker_unsure" };
      // Once may be a child's whistle.
      return during >= 3 ? { ok: true, say: "loudspeaker_ok" } : { ok: false, say: "loudspeaker_unheard" };
    } finally {
      ear.disconnect();
      for (const track of raw.getTracks()) track.stop();
    }
  }

  /** How many of the looks at the sound find a tone of the chime. */
  async function countTones(listener: AnalyserNode, length_ms: number): Promise<number> {
    const magnitudes_db = new Float32Array(listener.frequencyBinCount);
    const bin_hz = context.sampleRate / listener.fftSize;
    const until_ms = performance.now() + length_ms;
    let count = 0;
    while (performance.now() < until_ms) {
      await pause(MEASURE_MS);
      listener.getFloatFrequencyData(magnitudes_db);
      if (prominence_db(magnitudes_db, bin_hz, TEST) >= HEARD_DB) count += 1;
    }
    return count;
  }

  /** Where policy allows it the context runs by itself; elsewhere it waits for a touch, and we do not wait with it. */
  const wake = () => Promise.race([context.resume(), pause(300)]);
  const touched = () => void context.resume();
  window.addEventListener("pointerdown", touched);
  window.addEventListener("keydown", touched);
  onScopeDispose(() => {
    clearInterval(timer);
    window.removeEventListener("pointerdown", touched);
    window.removeEventListener("keydown", touched);
    void context.close();
  });
  return {
    level,
    silent,
    chime: () => {
      if (context.state === "running") play(context, CALLED, volume.value);
    },
    test,
  };
}

/** The same microphone without echo cancellation, which would take out the very chime that is listened for. */
async function openUnprocessed(track: MediaStreamTrack): Promise<MediaStream | null> {
  const { deviceId } = track.getSettings();
  const audio: MediaTrackConstraints = {
    echoCancellation: false,
    noiseSuppression: false,
    autoGainControl: false,
    ...(deviceId === undefined ? {} : { deviceId }),
  };
  return navigator.mediaDevices.getUserMedia({ audio }).catch(() => null);
}

function pause(duration_ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration_ms));
}

function rootMeanSquare(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / samples.length);
}

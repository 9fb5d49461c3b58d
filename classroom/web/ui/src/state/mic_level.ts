import { onScopeDispose, ref, watch, type Ref } from "vue";

const MEASURE_MS = 80;

/**
 * How loud a received sound is: root mean square of full scale, 0..1. `asleep` while the browser waits for a
 * touch before it lets a page look at sound. (getStats() knows no level of what is not heard aloud.)
 */
export function useMicLevel(track: Readonly<Ref<MediaStreamTrack | null>>): {
  level: Readonly<Ref<number>>;
  asleep: Readonly<Ref<boolean>>;
} {
  const level = ref(0);
  const asleep = ref(true);
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  const samples = new Float32Array(analyser.fftSize);
  let source: MediaStreamAudioSourceNode | null = null;

  watch(
    track,
    (now) => {
      source?.disconnect();
      source = now === null ? null : context.createMediaStreamSource(new MediaStream([now]));
      source?.connect(analyser);
    },
    { immediate: true },
  );

  const timer = setInterval(() => {
    asleep.value = context.state !== "running";
    analyser.getFloatTimeDomainData(samples);
    const heard = source === null || asleep.value ? 0 : rootMeanSquare(samples);
    level.value = Math.max(heard, level.value * 0.8); // falls slowly, as the eye likes it
  }, MEASURE_MS);
  const wake = (): void => void context.resume();
  window.addEventListener("pointerdown", wake);
  window.addEventListener("keydown", wake);
  onScopeDispose(() => {
    clearInterval(timer);
    window.removeEventListener("pointerdown", wake);
    window.removeEventListener("keydown", wake);
    void context.close();
  });
  return { level, asleep };
}

function rootMeanSquare(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / samples.length);
}

import { onScopeDispose, ref, type Ref } from "vue";

/** The time of this device in milliseconds, renewed every `every_ms`. */
export function useNow(every_ms = 500): Readonly<Ref<number>> {
  const now_ms = ref(Date.now());
  const timer = setInterval(() => (now_ms.value = Date.now()), every_ms);
  onScopeDispose(() => clearInterval(timer));
  return now_ms;
}

/** `75` → `01:15`, `3675` → `1:01:15`. */
export function formatDuration(duration_s: number): string {
  const whole_s = Math.max(0, Math.floor(duration_s));
  const parts = [Math.floor(whole_s / 60) % 60, whole_s % 60].map((part) => String(part).padStart(2, "0"));
  const hours = Math.floor(whole_s / 3600);
  return (hours > 0 ? [String(hours), ...parts] : parts).join(":");
}

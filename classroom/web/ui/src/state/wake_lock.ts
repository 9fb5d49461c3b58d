import { onScopeDispose } from "vue";

/** Keep the screen on while the page is shown. Only where the browser allows it (HTTPS or localhost). */
export function useWakeLock(): void {
  if (!("wakeLock" in navigator)) return;
  let disposed = false;
  let lock: WakeLockSentinel | null = null;
  const request = (): void => {
    if (disposed || document.visibilityState !== "visible") return;
    navigator.wakeLock.request("screen").then(
      (got) => {
        if (disposed) void got.release();
        else lock = got;
      },
      () => undefined, // low battery or policy: the kiosk's own settings then decide
    );
  };
  request();
  document.addEventListener("visibilitychange", request);
  onScopeDispose(() => {
    disposed = true;
    document.removeEventListener("visibilitychange", request);
    void lock?.release();
  });
}

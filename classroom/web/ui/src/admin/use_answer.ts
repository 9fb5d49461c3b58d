/** What the server answers to a question, and asking for changes: both end in words when something is wrong. */

import { onBeforeUnmount, ref, shallowRef, watch } from "vue";
import { useI18n } from "vue-i18n";
import { told } from "../i18n/told";
import { Problem } from "../protocol/problem";
import { useAdministrator } from "./account";

/** Turns problems into words; who is not signed in any more is sent to do so. */
export function useWords(): (error: unknown) => string {
  const { t, locale } = useI18n();
  const administrator = useAdministrator();
  return (error) => {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401 || error.code === "must_change") administrator.signInAgain();
    return error.status === 0 ? t("admin.unreachable") : told(error.detail, locale.value);
  };
}

/**
 * The answer to a question that may change; the last one stays while the next is on its way. `every_ms`: asked again so
 * often, as long as the page can be seen.
 */
export function useAnswer<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  on: () => unknown = () => 0,
  every_ms = 0,
) {
  const words = useWords();
  const answer = shallowRef<T | null>(null);
  const failure = ref("");
  const loading = ref(true);
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function load(): Promise<void> {
    abort.abort();
    abort = new AbortController();
    clearTimeout(timer);
    const { signal } = abort;
    try {
      const found = await ask(signal);
      if (signal.aborted) return; // something else has been asked for
      answer.value = found;
      failure.value = "";
    } catch (error) {
      if (signal.aborted) return;
      failure.value = words(error);
    }
    loading.value = false;
    if (every_ms > 0) timer = setTimeout(whenSeen, every_ms);
  }

  function whenSeen(): void {
    if (!document.hidden) void load();
    else
      document.addEventListener("visibilitychange", () => void load(), { once: true, signal: abort.signal });
  }

  function again(): Promise<void> {
    loading.value = true;
    return load();
  }

  watch(on, again, { immediate: true });
  onBeforeUnmount(() => {
    abort.abort();
    clearTimeout(timer);
  });
  return { answer, failure, loading, again, refresh: load };
}

/** One change at a time, with what became of it. */
export function useChange() {
  const words = useWords();
  const failure = ref("");
  const busy = ref(false);

  /** Whether it was done; else `failure` says why not. */
  async function change(work: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false;
    busy.value = true;
    failure.value = "";
    try {
      await work();
      return true;
    } catch (error) {
      failure.value = words(error);
      return false;
    } finally {
      busy.value = false;
    }
  }

  return { failure, busy, change };
}

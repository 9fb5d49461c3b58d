/** What the library answers to what its address asks. */

import { onBeforeUnmount, ref, shallowRef, watch } from "vue";
import { fetchLibrary, type Library, type Query } from "../protocol/library";
import { Problem } from "../protocol/problem";

/** A lesson that is being recorded or repaired changes by itself, and an empty library fills. */
const REFRESH_MS = 10_000;

export function useLibrary(query: () => Query, token: string) {
  const library = shallowRef<Library | null>(null);
  const problem = shallowRef<Problem | null>(null);
  const loading = ref(true);
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function load(): Promise<void> {
    abort.abort();
    abort = new AbortController();
    clearTimeout(timer);
    const { signal } = abort;
    try {
      library.value = await fetchLibrary(query(), token, signal);
      problem.value = null;
    } catch (error) {
      if (signal.aborted) return; // something else has been asked for
      if (!(error instanceof Problem)) throw error;
      problem.value = error;
    }
    loading.value = false;
    const shown = library.value;
    const changing =
      shown !== null &&
      (shown.total === 0 || shown.items.some(({ state }) => state === "recording" || state === "repairing"));
    if (changing) timer = setTimeout(() => void load(), REFRESH_MS);
  }

  function ask(): void {
    loading.value = true;
    void load();
  }

  watch(query, ask, { immediate: true });
  onBeforeUnmount(() => {
    abort.abort();
    clearTimeout(timer);
  });
  return { library, problem, loading, ask, refresh: load };
}

/** The lessons of today for who is signed in, asked for again and again: rooms get ready meanwhile. */

import { onScopeDispose, ref, shallowRef } from "vue";
import { Problem } from "../protocol/problem";
import { readToday, type Today } from "../protocol/today";

const REFRESH_MS = 4_000;

export function useToday() {
  /** What we last knew; stays while the server cannot be reached. */
  const today = shallowRef<Today | null>(null);
  const problem = shallowRef<Problem | null>(null);
  const clockOffset_ms = ref(0);
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function ask(): Promise<void> {
    clearTimeout(timer);
    try {
      const answer = await readToday(abort.signal);
      clockOffset_ms.value = Date.parse(answer.server_time) - Date.now();
      today.value = answer;
      problem.value = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      problem.value = error;
    }
    timer = setTimeout(() => void ask(), REFRESH_MS);
  }

  void ask();
  onScopeDispose(() => {
    abort.abort();
    clearTimeout(timer);
  });
  return { today, problem, clockOffset_ms, ask };
}

/** The captions of a recording in the language that is wanted, fetched once each. */

import { computed, shallowRef, watch } from "vue";
import { ask } from "../protocol/http";
import type { Recording } from "../protocol/recording";
import { parseVtt, type Cue } from "./captions";

/** `language` is a wish: without it there, the first one is taken, because search wants one in any case. */
export function useCaptions(recording: () => Recording, language: () => string, token: () => string) {
  const cues = shallowRef<Cue[]>([]);
  const track = computed(() => {
    const tracks = recording().captions;
    return tracks.find((one) => one.language === language()) ?? tracks[0] ?? null;
  });
  // While a lesson is being recorded its captions grow with what has been indexed.
  const version = computed(() => {
    const { index, state } = recording();
    const path = track.value?.url.split("?")[0] ?? "";
    return state === "recording" ? `${path} ${index?.indexed_to_s ?? 0}` : path;
  });

  watch(
    version,
    async (asked) => {
      const { value: wanted } = track;
      if (wanted === null) {
        cues.value = [];
        return;
      }
      try {
        const response = await ask(wanted.url, { token: token() });
        const file = await response.text();
        if (asked === version.value) cues.value = parseVtt(file);
      } catch (error) {
        console.warn("captions", error); // a lesson without its captions is still a lesson
      }
    },
    { immediate: true },
  );

  return { cues, language: computed(() => track.value?.language ?? null) };
}

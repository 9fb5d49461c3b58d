/** The one thing that is said below the slides at a time: the gravest. */

import { computed, type ComputedRef, type Ref } from "vue";
import { useI18n } from "vue-i18n";
import { waitingFor, type TerminalPhase } from "./phase";
import type { Seat } from "./seat";
import type { Rung } from "./weak_link";

export interface Strip {
  kind: "reconnecting" | "weak" | "note" | "stopped" | "touch";
  title: string;
  text: string;
}

/** A note of the teacher stands long enough to be read to the class. */
const NOTE_MS = 30_000;

export function useStrip(
  phase: Readonly<Ref<TerminalPhase>>,
  seat: Readonly<Ref<Seat | null>>,
  seconds: Readonly<Ref<number>>,
  rung: Readonly<Ref<Rung>>,
  soundBlocked: Readonly<Ref<boolean>>,
  now_ms: Readonly<Ref<number>>,
): ComputedRef<Strip | null> {
  const { t } = useI18n();
  return computed(() => {
    const taken = seat.value;
    if (taken === null) return null;
    if (phase.value === "reconnecting") {
      const whose = waitingFor({
        control: taken.lesson.status.value,
        lesson: taken.lesson.state.value?.lesson.state ?? null,
        anyLive: taken.anyLive.value,
      });
      return {
        kind: "reconnecting",
        title: t(`kiosk.reconnecting.${whose}`, { seconds: seconds.value }),
        text: t(`kiosk.reconnecting.${whose}Text`),
      };
    }
    const note = taken.note.value;
    if (note !== null && now_ms.value - note.received_ms < NOTE_MS) {
      return { kind: "note", title: note.text, text: t("kiosk.note") };
    }
    if (soundBlocked.value) return { kind: "touch", title: t("kiosk.touch"), text: "" };
    if (rung.value !== "full") {
      return { kind: "weak", title: t(`kiosk.weak.${rung.value}`), text: t("kiosk.weak.text") };
    }
    const stopped = (["camera", "slides"] as const).find((label) =>
      taken.lesson.state.value?.publications.some((p) => p.name === label && !p.live),
    );
    return stopped === undefined ? null : { kind: "stopped", title: t(`kiosk.stopped.${stopped}`), text: "" };
  });
}

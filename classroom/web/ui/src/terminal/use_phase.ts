/** The phase of the terminal as it goes, how long it has lasted, and what the link leaves of the lesson. */

import { computed, ref, watch, type ComputedRef, type Ref } from "vue";
import { terminalPhase, type TerminalPhase } from "./phase";
import type { Seat } from "./seat";
import type { Station } from "./station";
import { follow, FULL, rungOf, type Rung } from "./weak_link";

export interface PhaseInTime {
  phase: ComputedRef<TerminalPhase>;
  /** Whole seconds of this phase; those before the first picture and after the last are counted as one. */
  seconds: ComputedRef<number>;
  rung: ComputedRef<Rung>;
}

export function usePhase(
  station: Station,
  seat: Readonly<Ref<Seat | null>>,
  now_ms: Readonly<Ref<number>>,
): PhaseInTime {
  const since_s = (start_ms: number | null): number =>
    start_ms === null ? 0 : Math.max(0, (now_ms.value - start_ms) / 1000);

  const lostSince_ms = ref<number | null>(Date.now());
  watch(
    () => station.status.value === "connected",
    (connected) => (lostSince_ms.value = connected ? null : Date.now()),
    { immediate: true, flush: "sync" },
  );

  const shown = ref(FULL);
  const state = computed(() => seat.value?.lesson.state.value ?? null);
  watch([() => seat.value?.receiver.stats.value ?? null, state], ([stats, known]) => {
    const you = known?.participants.find((participant) => participant.id === known.you);
    const teacherSends = known?.publications.some((p) => p.name === "camera" && p.live) ?? false;
    shown.value = follow(shown.value, rungOf(you?.link ?? null, stats, teacherSends), Date.now());
  });
  watch(seat, () => (shown.value = FULL));

  const phase = computed(() =>
    terminalPhase({
      station: station.status.value,
      lostFor_s: since_s(lostSince_ms.value),
      agenda: station.agenda.value?.phase ?? null,
      control: seat.value?.lesson.status.value ?? null,
      lesson: state.value?.lesson.state ?? null,
      media: seat.value?.receiver.status.value ?? "idle",
      hasPicture: seat.value !== null && (seat.value.pictures.camera || seat.value.pictures.slides),
      anyLive: seat.value?.anyLive.value ?? false,
      called: seat.value?.called.value ?? false,
      weak: shown.value.rung !== "full",
      plannedAgainFor_s: since_s(seat.value?.plannedAgainSince_ms.value ?? null),
    }),
  );
  const phaseSince_ms = ref(Date.now());
  watch(phase, () => (phaseSince_ms.value = Date.now()));
  return {
    phase,
    seconds: computed(() => {
      // An outage began before it was called one.
      const since_ms = phase.value === "offline" ? lostSince_ms.value : phaseSince_ms.value;
      return Math.floor(since_s(since_ms));
    }),
    rung: computed(() => shown.value.rung),
  };
}

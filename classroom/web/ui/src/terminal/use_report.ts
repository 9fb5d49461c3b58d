/** Tells operator and teacher how this terminal is, whenever that changes. */

import { computed, watch, type Ref } from "vue";
import { version } from "../../package.json";
import type { Seat } from "./seat";
import { bilingual, checksOf, faultsOf, type Findings, type LinkFigures } from "./self_test";
import type { Station } from "./station";
import type { Rung } from "./weak_link";

export interface Reported {
  findings: Readonly<Ref<Findings>>;
  figures: Readonly<Ref<LinkFigures | null>>;
  /** Null where nobody has counted them. */
  children: Readonly<Ref<number | null>>;
  rung: Readonly<Ref<Rung>>;
}

export function useReport(
  station: Station,
  seat: Readonly<Ref<Seat | null>>,
  { findings, figures, children, rung }: Reported,
): void {
  const report = computed(() => ({
    type: "report" as const,
    version,
    checks: checksOf(findings.value, figures.value),
    children: children.value,
  }));
  watch(report, (now) => station.report(now), { immediate: true });

  const toTeacher = computed(() => ({
    children: children.value,
    camera: findings.value.camera.ok,
    microphone: findings.value.microphone.ok,
    loudspeaker: findings.value.loudspeaker.ok,
    sending: seat.value?.publisher?.status.value === "sending",
    rung: rung.value,
    faults: faultsOf(findings.value).map(bilingual),
  }));
  watch(
    [toTeacher, () => seat.value?.lesson.status.value],
    ([now, status]) => {
      if (status === "connected" && seat.value?.publisher) seat.value.lesson.control.report(now);
    },
    { immediate: true },
  );
}

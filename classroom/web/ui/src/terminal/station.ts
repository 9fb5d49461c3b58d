/** Where a terminal knows from what is due: from its own agenda once it is paired, or from the one lesson of its address. */

import { computed, onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from "vue";
import type { Refusal } from "../protocol/control";
import type { Agenda, DeviceReport, Phase } from "../protocol/device_messages.gen";
import { obtainCredentials } from "../state/credentials";
import { useDevice } from "../state/device";
import type { Lesson } from "../state/lesson";
import type { LessonAccess } from "../protocol/token";
import { accessOf, type Credentials } from "../state/token";
import type { StationStatus } from "./phase";

export interface Station {
  status: Readonly<Ref<StationStatus>>;
  refusal: Readonly<Ref<Refusal | null>>;
  /** What we last knew; stays while the connection is lost. */
  agenda: Readonly<Ref<Agenda | null>>;
  /** Server clock minus ours. */
  clockOffset_ms: Readonly<Ref<number>>;
  /** As set from afar, 0 to 100; null leaves it to the room. */
  volume: Readonly<Ref<number | null>>;
  /** To the lesson to sit in; null while none is near. */
  access: Readonly<ShallowRef<LessonAccess | null>>;
  report(report: DeviceReport): void;
  /** An operator has given this terminal a classroom. */
  paired(): void;
}

const AGAIN_MS = 2_000;

/** A paired device, or one that is to be paired. */
export function useDeviceStation(): Station {
  const device = useDevice();
  const access = shallowRef<LessonAccess | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wanted: string | null = null;

  const due = computed(() => {
    const agenda = device.agenda.value;
    return agenda === null || agenda.phase === "idle" ? null : (agenda.lesson?.id ?? null);
  });

  async function obtain(lesson: string): Promise<void> {
    try {
      const obtained = await obtainCredentials(lesson, "device");
      if (lesson === wanted) access.value = obtained;
    } catch (error) {
      if (lesson !== wanted) return;
      console.warn("terminal: no token for the lesson yet,", error);
      timer = setTimeout(() => void obtain(lesson), AGAIN_MS);
    }
  }

  watch(
    due,
    (lesson) => {
      clearTimeout(timer);
      wanted = lesson;
      access.value = null;
      if (lesson !== null) void obtain(lesson);
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    wanted = null;
    clearTimeout(timer);
  });

  return {
    status: computed(() => (device.status.value === "replaced" ? "refused" : device.status.value)),
    refusal: computed(() => (device.status.value === "replaced" ? { code: "replaced", detail: "" } : null)),
    agenda: device.agenda,
    clockOffset_ms: device.clockOffset_ms,
    volume: device.volume,
    access,
    report: (report) => device.client.report(report),
    paired: () => device.client.start(),
  };
}

/** An address with a token in it: the demo, and whoever needs no pairing. The agenda is made up from the lesson. */
export function useTokenStation(credentials: Credentials, lesson: Readonly<Ref<Lesson | null>>): Station {
  const state = computed(() => lesson.value?.state.value?.lesson ?? null);
  const agenda = computed<Agenda | null>(() => {
    if (state.value === null) return null;
    const { id, title, started_at, ends_at, interactive } = state.value;
    const phase = PHASES[state.value.state];
    const starts_at = started_at ?? new Date(0).toISOString();
    const classroom = { id: 0, name: credentials.claims.name, school: "" };
    const main = { classroom_id: 0, classroom: "", school: "", device_id: null };
    return {
      type: "agenda",
      you: credentials.claims.sub,
      classroom,
      server_time: "",
      phase,
      next: null,
      lesson: {
        id,
        title,
        subject: "",
        grade: "",
        period: null,
        starts_at,
        ends_at: ends_at ?? starts_at,
        state: state.value.state,
        role: "linked",
        teacher: "",
        main: { ...main, online: true, ready: true, faults: [] },
        interactive,
        listeners: [],
      },
    };
  });
  return {
    status: computed(() => lesson.value?.status.value ?? "connecting"),
    refusal: computed(() => lesson.value?.refusal.value ?? null),
    agenda,
    clockOffset_ms: computed(() => lesson.value?.clockOffset_ms.value ?? 0),
    volume: ref(null),
    access: shallowRef(accessOf(credentials)),
    report: () => undefined,
    paired: () => undefined,
  };
}

const PHASES: Record<"planned" | "live" | "ended", Phase> = {
  planned: "standby",
  live: "live",
  ended: "over",
};

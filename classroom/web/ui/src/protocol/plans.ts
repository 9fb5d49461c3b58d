/** What is planned day by day, over HTTP (docs/protocol.md §8). */

import { queryOf, type Listener } from "./region";
import { askSigned } from "./session";

export interface Place {
  classroom_id: number;
  classroom: string;
  school_id: number;
  school: string;
  short_name: string;
  district_id: number;
}

export interface PlanListener {
  place: Place;
  class_id: number | null;
  class_name: string;
  children: number;
  assistant_id: number | null;
  assistant: string;
}

export interface Plan {
  lesson_id: string;
  /** Of the timetable; null when it was planned by hand, or moved to another day. */
  entry_id: number | null;
  on_date: string;
  period: number | null;
  starts_at: string;
  ends_at: string;
  /** Local times of the schools, whatever the zone of this browser is: 09:40. */
  starts: string;
  ends: string;
  main: Place;
  district: string;
  class_id: number | null;
  grade: string;
  class_name: string;
  children: number;
  teacher_id: number;
  teacher: string;
  subject: string;
  title: string;
  state: "planned" | "cancelled";
  interactive: boolean;
  /** By hand. */
  changed: boolean;
  listeners: PlanListener[];
}

/** A lesson of one day as it is said by hand; without times it has those of its period. */
export interface PlannedLesson {
  on_date: string;
  classroom_id: number;
  teacher_id: number;
  subject: string;
  class_id: number | null;
  period: number | null;
  starts: string | null;
  ends: string | null;
  title: string;
  interactive: boolean;
  listeners: Listener[];
}

/** What is planned from a day on; throws Problem. */
export async function listPlans(from: string, to: string, signal?: AbortSignal): Promise<Plan[]> {
  return (await askSigned<{ items: Plan[] }>(`/api/plans${queryOf({ from, to })}`, { signal })).items;
}

/** A lesson that the timetable does not have (`lesson` is null), or another time, room, teacher for one. */
export async function savePlan(lesson: string | null, body: PlannedLesson): Promise<Plan> {
  return lesson === null
    ? askSigned("/api/plans", { method: "POST", body })
    : askSigned(`/api/plans/${lesson}`, { method: "PUT", body });
}

/** Let it not take place, or be as the timetable has it again; throws Problem. */
export async function decidePlan(lesson: string, what: "cancel" | "restore"): Promise<void> {
  await askSigned(`/api/plans/${lesson}/${what}`, { method: "POST" });
}

/** Forget one that was planned by hand; throws Problem. */
export async function removePlan(lesson: string): Promise<void> {
  await askSigned(`/api/plans/${lesson}`, { method: "DELETE" });
}

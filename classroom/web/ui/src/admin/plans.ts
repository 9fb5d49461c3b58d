/** Plans of a day, as they are shown and as they are said anew. Pure. */

import type { Plan, PlannedLesson } from "../protocol/plans";

/** A plan as it would be said by hand, with what its references are called: what a change begins with. */
export function asSaid(plan: Plan): { body: PlannedLesson; names: Record<string, string> } {
  const { main, listeners } = plan;
  const names: Record<string, string> = {
    classroom_id: `${main.short_name} ${main.classroom}`,
    teacher_id: plan.teacher,
    class_id: plan.class_name,
  };
  listeners.forEach(({ place, class_name, assistant }, i) => {
    names[`listeners.${i}.classroom_id`] = `${place.short_name} ${place.classroom}`;
    names[`listeners.${i}.class_id`] = class_name;
    names[`listeners.${i}.assistant_id`] = assistant;
  });
  const body = {
    on_date: plan.on_date,
    classroom_id: main.classroom_id,
    teacher_id: plan.teacher_id,
    subject: plan.subject,
    class_id: plan.class_id,
    period: plan.period,
    starts: plan.period === null ? plan.starts : null,
    ends: plan.period === null ? plan.ends : null,
    title: plan.title,
    interactive: plan.interactive,
    listeners: listeners.map(({ place, class_id, assistant_id }) => ({
      classroom_id: place.classroom_id,
      class_id,
      assistant_id,
    })),
  };
  return { body, names };
}

/** Whether it was planned by hand: it can be removed, not only cancelled. */
export const isByHand = ({ lesson_id }: Plan) => lesson_id.startsWith("p");

/** What may be done with a plan; nothing once it is over. */
export function choicesOf(plan: Plan, now_ms: number): ("change" | "cancel" | "restore" | "remove")[] {
  if (Date.parse(plan.ends_at) <= now_ms) return [];
  if (plan.state === "cancelled") return isByHand(plan) ? ["restore", "remove"] : ["restore"];
  if (isByHand(plan)) return ["change", "cancel", "remove"];
  return plan.changed ? ["change", "restore", "cancel"] : ["change", "cancel"];
}

/** Those with all of these words in whom and what they are about. */
export function matchingPlans(plans: readonly Plan[], words: string): Plan[] {
  const wanted = words.toLowerCase().split(/\s+/);
  return plans.filter((plan) => {
    const places = [plan.main, ...plan.listeners.map(({ place }) => place)];
    const text = [
      plan.title,
      plan.subject,
      plan.teacher,
      plan.class_name,
      ...places.map(({ school, short_name, classroom }) => `${school} ${short_name} ${classroom}`),
    ]
      .join(" ")
      .toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
}

import { beforeEach, describe, expect, it, vi } from "vitest";
import { effectScope, nextTick, shallowRef } from "vue";
import type { Agenda } from "../src/protocol/device_messages.gen";
import { useChildren, type Children } from "../src/terminal/use_children";

const agendaOf = (lesson: string, children: number): Agenda =>
  ({
    classroom: { id: 2 },
    lesson: { id: lesson, listeners: [{ classroom_id: 2, children }] },
  }) as Partial<Agenda> as Agenda;

describe("how many children there are", () => {
  const agenda = shallowRef<Agenda | null>(null);
  const begin = (): Children => effectScope(true).run(() => useChildren(agenda)) as Children;

  beforeEach(() => {
    const kept = new Map<string, string>();
    vi.stubGlobal("localStorage", {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
    });
    agenda.value = null;
  });

  it("is shown as the timetable says, and not told to the server until somebody has counted", () => {
    const children = begin();
    expect([children.shown.value, children.counted.value]).toEqual([0, null]);
    agenda.value = agendaOf("maths", 11);
    expect([children.shown.value, children.counted.value]).toEqual([11, null]);
    children.shown.value -= 1;
    expect([children.shown.value, children.counted.value]).toEqual([10, 10]);
  });

  it("is counted for one lesson, also over a restart", async () => {
    agenda.value = agendaOf("maths", 11);
    begin().shown.value = 9;
    await nextTick();
    const again = begin();
    expect(again.counted.value).toBe(9);
    agenda.value = agendaOf("art", 12);
    expect([again.shown.value, again.counted.value]).toEqual([12, null]);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { effectScope, nextTick, ref } from "vue";
import { repeatWhile } from "../src/terminal/repeat";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("repeatWhile", () => {
  it("goes on once, however often it was wanted while a step was slow", async () => {
    const wanted = ref(true);
    const scope = effectScope();
    let answer: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (answer = resolve));
    let steps = 0;
    scope.run(() => {
      repeatWhile(wanted, async () => {
        steps += 1;
        await slow;
        return 1_000;
      });
    });
    for (let flap = 0; flap < 5; flap++) {
      wanted.value = false;
      await nextTick();
      wanted.value = true;
      await nextTick();
    }
    expect(steps).toBe(6);
    answer();
    await vi.advanceTimersByTimeAsync(10_500);
    expect(steps).toBe(16);
    scope.stop();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(steps).toBe(16);
    expect(vi.getTimerCount()).toBe(0);
  });
});

import { expect, it } from "vitest";
import { retryDelay_ms } from "../src/protocol/backoff";

const backoff = { first_ms: 500, max_ms: 3000 };

it("doubles up to the limit", () => {
  expect([0, 1, 2, 3, 40].map((failures) => retryDelay_ms(failures, backoff, 0.5))).toEqual([
    500, 1000, 2000, 3000, 3000,
  ]);
});

it("spreads attempts by a fifth either way", () => {
  expect(retryDelay_ms(0, backoff, 0)).toBeCloseTo(400);
  expect(retryDelay_ms(0, backoff, 0.999999)).toBeCloseTo(600, 2);
});

import { describe, expect, it } from "vitest";
import { claimsOf, tokenFromHash } from "../src/protocol/token";

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const jwt = (claims: unknown): string => `${encode({ alg: "HS256" })}.${encode(claims)}.c2lnbmF0dXJl`;

describe("tokenFromHash", () => {
  it("reads the token, alone or among others", () => {
    expect(tokenFromHash("#token=a.b.c")).toBe("a.b.c");
    expect(tokenFromHash("#lang=en&token=a.b.c")).toBe("a.b.c");
  });

  it("finds none in an empty address", () => {
    expect(tokenFromHash("")).toBeNull();
    expect(tokenFromHash("#token=")).toBeNull();
  });
});

describe("claimsOf", () => {
  it("decodes Chinese names and base64url", () => {
    const claims = {
      lesson: "math-3",
      role: "classroom",
      sub: "t1",
      name: "大足二小？～三年级",
      exp: 1800000000,
    };
    expect(claimsOf(jwt(claims))).toEqual(claims);
  });

  it("takes a missing name and expiry as empty", () => {
    expect(claimsOf(jwt({ lesson: "l", role: "teacher", sub: "s" }))).toMatchObject({ name: "", exp: null });
  });

  it.each(["", "nonsense", "a.b.c", "a.!!!.c", jwt({ role: "teacher", sub: "s" }), jwt(null)])(
    "refuses %j",
    (text) => {
      expect(claimsOf(text)).toBeNull();
    },
  );
});

import { describe, expect, it } from "vitest";
import { addressOf, choose, isNarrowed, queryOf, searchFor } from "../src/library/address";

describe("the address of the library", () => {
  it("is the query, and the query is the address", () => {
    const address = {
      stage: "小学",
      grade: "三年级",
      teacher: "王老师",
      from: "2026-09-01",
      to: "2026-11-25",
      q: "分数",
      sort: "newest",
      page: "3",
    };
    expect(addressOf(queryOf(address))).toEqual(address);
  });

  it("leaves out what is usual", () => {
    expect(addressOf(queryOf({ sort: "newest", page: "1", q: "" }))).toEqual({});
    expect(addressOf(queryOf({ q: "分数", sort: "relevance" }))).toEqual({ q: "分数" });
  });

  it("stands what people type into it", () => {
    const query = queryOf({ page: "-1", sort: "best", from: "yesterday", stage: ["小学", "初中"], q: null });
    expect(query).toMatchObject({ page: 1, sort: "newest", from: "", facets: { stage: "小学" }, q: "" });
  });
});

describe("choosing", () => {
  const query = queryOf({ stage: "小学", grade: "三年级", subject: "数学", teacher: "王老师", page: "4" });

  it("drops what stands below in the order, and begins at the first page", () => {
    expect(addressOf(choose(query, "grade", "四年级"))).toEqual({
      stage: "小学",
      grade: "四年级",
      teacher: "王老师",
    });
    expect(addressOf(choose(query, "stage", ""))).toEqual({ teacher: "王老师" });
  });

  it("leaves 学段 to 章节 alone when it is about people", () => {
    expect(addressOf(choose(query, "teacher", ""))).toEqual({
      stage: "小学",
      grade: "三年级",
      subject: "数学",
    });
  });
});

describe("searching", () => {
  it("puts the best match on top, unless another order was chosen", () => {
    expect(searchFor(queryOf({}), "分数").sort).toBe("relevance");
    expect(searchFor(queryOf({ sort: "oldest" }), "分数").sort).toBe("oldest");
    expect(searchFor(queryOf({ q: "分数" }), "").sort).toBe("newest");
  });

  it("knows whether anything narrows the library", () => {
    expect(isNarrowed(queryOf({}))).toBe(false);
    expect(isNarrowed(queryOf({ q: "a" }))).toBe(true);
    expect(isNarrowed(queryOf({ to: "2026-01-01" }))).toBe(true);
  });
});

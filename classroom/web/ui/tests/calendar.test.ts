import { describe, expect, it } from "vitest";
import {
  daysOf,
  kindOf,
  MAX_SPAN,
  ownArea,
  plansIn,
  reaches,
  shifted,
  stays,
  weeksOf,
  withBelow,
} from "../src/admin/calendar";
import type { Plan } from "../src/protocol/plans";
import type { SessionAccount } from "../src/protocol/session";

const account = (over: Partial<SessionAccount>): SessionAccount => ({
  id: 1,
  login: "a",
  name: "A",
  role: "operator",
  person_id: null,
  district_id: null,
  school_id: null,
  must_change: false,
  rights: [],
  ...over,
});

const plan = (over: Partial<Plan> & { schoolId?: number; districtId?: number }): Plan => {
  const { schoolId = 1, districtId = 1, ...rest } = over;
  const main = {
    classroom_id: 1,
    classroom: "录播教室",
    school_id: schoolId,
    school: "小学",
    short_name: "小学",
    district_id: districtId,
  };
  return {
    lesson_id: "d20261001-1",
    entry_id: 1,
    starts_at: "2026-10-01T01:00:00Z",
    state: "planned",
    changed: false,
    main,
    ...rest,
  } as Plan;
};

const EVERYBODY = { district_id: null, school_id: null };

describe("a month", () => {
  it("is whole weeks that begin on Monday", () => {
    const october = weeksOf("2026-10");
    expect(october.map((week) => week[0])).toEqual([
      "2026-09-28",
      "2026-10-05",
      "2026-10-12",
      "2026-10-19",
      "2026-10-26",
    ]);
    expect(october.at(-1)?.at(-1)).toBe("2026-11-01");
    expect(weeksOf("2027-02").flat()).toHaveLength(28); // from Monday the 1st to Sunday the 28th
    expect(weeksOf("2026-08").map((week) => week[0])).toHaveLength(6);
  });

  it("comes after another, over the end of a year", () => {
    expect(shifted("2026-12", 1)).toBe("2027-01");
    expect(shifted("2027-01", -1)).toBe("2026-12");
    expect(shifted("2026-10", 5)).toBe("2027-03");
  });
});

describe("a day", () => {
  it("has no lessons, those of another day, or its own", () => {
    expect(kindOf({ on_date: "2026-10-01", follows: null })).toBe("off");
    expect(kindOf({ on_date: "2026-09-20", follows: "2026-10-06" })).toBe("swapped");
    expect(kindOf({ on_date: "2026-10-01", follows: "2026-10-01" })).toBe("usual");
  });

  it("is one of several, but not of more than can be said at once", () => {
    expect(daysOf("2026-10-01", "2026-10-03")).toEqual(["2026-10-01", "2026-10-02", "2026-10-03"]);
    expect(daysOf("2026-10-01", "2026-09-30")).toEqual([]);
    expect(daysOf("2026-10-01", "2027-10-01")).toHaveLength(MAX_SPAN);
  });
});

describe("whose calendar", () => {
  it("is seen first: one's own", () => {
    expect(ownArea(account({}))).toEqual(EVERYBODY);
    expect(ownArea(account({ district_id: 4 }))).toEqual({ district_id: 4, school_id: null });
    expect(ownArea(account({ role: "school_admin", school_id: 7 }))).toEqual({
      district_id: null,
      school_id: 7,
    });
  });

  it("may be changed by whoever reaches it", () => {
    const school = { district_id: null, school_id: 7 };
    const district = { district_id: 4, school_id: null };
    const everything = account({});
    const ofDistrict = account({ district_id: 4 });
    const ofSchool = account({ role: "school_admin", school_id: 7 });
    expect([EVERYBODY, district, school].map((area) => reaches(everything, area))).toEqual([
      true,
      true,
      true,
    ]);
    expect([EVERYBODY, district, school].map((area) => reaches(ofDistrict, area))).toEqual([
      false,
      true,
      true,
    ]);
    expect([EVERYBODY, district, school].map((area) => reaches(ofSchool, area))).toEqual([
      false,
      false,
      true,
    ]);
    expect(reaches(ofSchool, { district_id: null, school_id: 8 })).toBe(false);
  });
});

describe("the plans of a day", () => {
  const parents = new Map<number, number | null>([
    [1, null],
    [2, 1],
    [3, 2],
    [9, null],
  ]);

  it("are those of the schools of an area", () => {
    const plans = [plan({ districtId: 3 }), plan({ districtId: 9, schoolId: 2 })];
    expect(withBelow(1, parents)).toEqual(new Set([1, 2, 3]));
    expect(plansIn(plans, EVERYBODY, parents)).toHaveLength(2);
    expect(plansIn(plans, { district_id: 1, school_id: null }, parents)).toEqual([plans[0]]);
    expect(plansIn(plans, { district_id: null, school_id: 2 }, parents)).toEqual([plans[1]]);
  });

  it("stay when they were changed by hand or have begun", () => {
    const before = Date.parse("2026-10-01T00:59:59Z");
    expect(stays(plan({}), before)).toBe(false);
    expect(stays(plan({}), before + 1000)).toBe(true);
    expect(stays(plan({ changed: true }), before)).toBe(true);
    expect(stays(plan({ state: "cancelled" }), before)).toBe(true);
    expect(stays(plan({ entry_id: null }), before)).toBe(true);
    expect(stays(plan({ lesson_id: "p20261001-abcd" }), before)).toBe(true);
  });
});

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fitting, isOpenToProvider, isWhole, rolesFor, stateOfAccount } from "../src/admin/accounts";
import { addressOf, AUDIT_THINGS, detailOf, objectOf, partsOf } from "../src/admin/audit";
import { blank, bodyOf, isFilled, KINDS, rightTo, shownFields, TABLE_KINDS } from "../src/admin/kinds";
import { asSaid, choicesOf, matchingPlans } from "../src/admin/plans";
import { sectionsOf } from "../src/admin/sections";
import {
  classesOf,
  currentTerm,
  listenerCount,
  periodsOf,
  weekdaysOf,
  weekNumber,
  weekOf,
  type Subscription,
} from "../src/admin/timetable";
import { clock, dayOf, moment } from "../src/admin/when";
import en from "../src/i18n/admin/en";
import zhCN from "../src/i18n/admin/zh-CN";
import { ACCOUNT_ROLES, type Account } from "../src/protocol/accounts";
import type { Plan } from "../src/protocol/plans";
import { queryOf, type Entry, type Term } from "../src/protocol/region";

const TERM: Term = { id: 1, names: {}, name: "秋季", starts_on: "2026-09-02", ends_on: "2027-01-20" };

function entry(over: Partial<Entry> = {}): Entry {
  return {
    id: 1,
    names: {},
    term_id: 1,
    weekday: 3,
    period: 2,
    classroom_id: 10,
    teacher_id: 20,
    subject: "音乐",
    class_id: 30,
    weeks: "all",
    first_week: null,
    last_week: null,
    title: "",
    listeners: [],
    ...over,
  };
}

const SUBSCRIPTION: Subscription = {
  id: 1,
  names: {},
  term_id: 1,
  class_id: 31,
  main_class_id: 30,
  subject: "音乐",
  classroom_id: 11,
  assistant_id: 21,
};

describe("a week", () => {
  it("has the lessons that are taught, and those that are listened to", () => {
    const all = [entry(), entry({ id: 2, subject: "数学", weekday: 1 })];
    expect([...weekOf(all, "classroom", 10, "all").keys()]).toEqual(["3-2", "1-2"]);
    expect([...weekOf([entry()], "classroom", 11, "all")]).toEqual([
      ["3-2", [{ entry: entry(), listens: true }]],
    ]);
    expect(weekOf([entry()], "teacher", 20, "all").get("3-2")?.[0]?.listens).toBe(false);
    expect(classesOf([entry(), entry({ id: 2 }), entry({ id: 3, class_id: null })])).toEqual([30]);
  });

  it("shows odd and even weeks beside each other, or one of them", () => {
    const even = entry({ id: 2, weeks: "even" });
    const odd = entry({ id: 3, weeks: "odd" });
    const of = (weeks: "all" | "odd" | "even") =>
      weekOf([even, odd], "classroom", 10, weeks)
        .get("3-2")
        ?.map((cell) => cell.entry.id);
    expect(of("all")).toEqual([3, 2]);
    expect(of("odd")).toEqual([3]);
  });

  it("counts each room that listens once", () => {
    const twice = entry({ listeners: [{ classroom_id: 11, class_id: null, assistant_id: null }] });
    expect(listenerCount(twice, [SUBSCRIPTION])).toBe(1);
    expect(listenerCount(entry({ subject: "数学" }), [SUBSCRIPTION])).toBe(0);
  });

  it("is as large as its lessons and bells", () => {
    const saturday = [[{ entry: entry({ weekday: 6, period: 9 }), listens: false }]];
    expect(weekdaysOf([])).toHaveLength(5);
    expect(weekdaysOf(saturday)).toHaveLength(6);
    expect(periodsOf([], 8)).toHaveLength(8);
    expect(periodsOf(saturday, 8)).toHaveLength(9);
  });

  it("is counted from the one of the first day", () => {
    expect(weekNumber(TERM, "2026-09-02")).toBe(1);
    expect(weekNumber(TERM, "2026-09-06")).toBe(1);
    expect(weekNumber(TERM, "2026-09-07")).toBe(2);
    expect(weekNumber(TERM, "2027-02-01")).toBeNull();
    expect(
      currentTerm([{ ...TERM, id: 2, starts_on: "2027-02-20", ends_on: "2027-07-01" }, TERM], "2026-10-01"),
    ).toBe(TERM);
  });
});

describe("times", () => {
  it("are those of the schools, wherever somebody looks", () => {
    const at = "2026-11-25T23:05:09Z";
    expect(clock(at, "Asia/Shanghai")).toBe("07:05");
    expect(dayOf(new Date(at), "Asia/Shanghai")).toBe("2026-11-26");
    expect(dayOf(new Date(at), "America/New_York")).toBe("2026-11-25");
    expect(moment(at, "Asia/Shanghai", "zh-CN")).toBe("2026年11月26日 07:05:09");
  });
});

describe("the forms of the region", () => {
  it("are offered with the right that their door asks for", () => {
    expect(rightTo("change", "terms")).toBe("terms.write");
    expect([rightTo("add", "schools"), rightTo("change", "schools")]).toEqual([
      "districts.write",
      "region.write",
    ]);
  });

  it.each(TABLE_KINDS)("%s narrow only by fields that they have", (kind) => {
    const names = KINDS[kind].fields.map(({ name }) => name);
    expect(KINDS[kind].filters.filter((filter) => !names.includes(filter))).toEqual([]);
  });

  it("ask of a student what a student has", () => {
    const values = { ...blank(KINDS.people), kind: "student" };
    expect(shownFields(KINDS.people, values).map(({ name }) => name)).toContain("student_number");
    expect(bodyOf(KINDS.people, { ...values, staff_number: "1", student_number: "" })).toMatchObject({
      staff_number: null,
      student_number: null,
      subject: "",
    });
  });

  it("are filled when nothing is missing that has to be there", () => {
    const values = { ...blank(KINDS.schools), name: "山坪小学", code: "3150011111" };
    expect(isFilled(KINDS.schools, values)).toBe(false);
    expect(isFilled(KINDS.schools, { ...values, district_id: 1 })).toBe(true);
  });

  it("leave out of a question what is empty", () => {
    expect(queryOf({ q: "", page: 2, school_id: null, leads: false })).toBe("?page=2&leads=false");
    expect(queryOf({ q: "" })).toBe("");
  });
});

const PLACE = {
  classroom_id: 10,
  classroom: "录播室",
  school_id: 1,
  school: "大足区海棠路小学",
  short_name: "海棠路小学",
  district_id: 1,
};
const PLAN: Plan = {
  lesson_id: "e1-20261126",
  entry_id: 1,
  on_date: "2026-11-26",
  period: 2,
  starts_at: "2026-11-26T01:20:00Z",
  ends_at: "2026-11-26T02:00:00Z",
  starts: "09:20",
  ends: "10:00",
  main: PLACE,
  district: "大足区",
  class_id: 30,
  grade: "三年级",
  class_name: "三年级1班",
  children: 45,
  teacher_id: 20,
  teacher: "王红梅",
  subject: "音乐",
  title: "三年级音乐",
  state: "planned",
  interactive: true,
  changed: false,
  listeners: [
    {
      place: {
        ...PLACE,
        classroom_id: 11,
        classroom: "三年级教室",
        school: "山坪小学",
        short_name: "山坪小学",
      },
      class_id: 31,
      class_name: "三年级1班",
      children: 12,
      assistant_id: null,
      assistant: "",
    },
  ],
};

describe("a plan", () => {
  const before = Date.parse(PLAN.starts_at);
  it("leaves open what may be done with it", () => {
    expect(choicesOf(PLAN, before)).toEqual(["change", "cancel"]);
    expect(choicesOf({ ...PLAN, changed: true }, before)).toEqual(["change", "restore", "cancel"]);
    expect(choicesOf({ ...PLAN, state: "cancelled" }, before)).toEqual(["restore"]);
    expect(choicesOf({ ...PLAN, lesson_id: "p20261126-1" }, before)).toContain("remove");
    expect(choicesOf(PLAN, Date.parse(PLAN.ends_at))).toEqual([]);
  });

  it("is said anew with its period, and what its references are called", () => {
    const { body, names } = asSaid(PLAN);
    expect(body).toMatchObject({ period: 2, starts: null, listeners: [{ classroom_id: 11, class_id: 31 }] });
    expect(names["listeners.0.classroom_id"]).toBe("山坪小学 三年级教室");
    expect(asSaid({ ...PLAN, period: null }).body.starts).toMatch(/^\d\d:\d\d$/);
  });

  it("is found by who takes part", () => {
    expect(matchingPlans([PLAN], "山坪 音乐")).toHaveLength(1);
    expect(matchingPlans([PLAN], "李")).toHaveLength(0);
  });
});

const ACCOUNT: Account = {
  id: 1,
  login: "t01",
  name: "王红梅",
  role: "teacher",
  person_id: null,
  district_id: 5,
  school_id: 6,
  disabled: false,
  must_change: false,
  has_password: true,
  has_oidc: false,
  may_bind: false,
  locked_until: null,
  created_at: "2026-11-01T00:00:00Z",
  signed_in_at: null,
};

describe("an account", () => {
  it("shows what is to be known first", () => {
    expect(stateOfAccount(ACCOUNT)).toBe("usual");
    expect(stateOfAccount({ ...ACCOUNT, must_change: true, disabled: true })).toBe("disabled");
    expect(stateOfAccount({ ...ACCOUNT, has_password: false })).toBe("elsewhere");
  });

  it("has the reach of its role", () => {
    expect(fitting(ACCOUNT)).toMatchObject({ school_id: 6, district_id: null });
    expect(fitting({ ...ACCOUNT, role: "operator" })).toMatchObject({ school_id: null, district_id: 5 });
    expect(isWhole({ ...ACCOUNT, school_id: null })).toBe(false);
    expect(isWhole({ ...ACCOUNT, role: "researcher", school_id: null })).toBe(true);
  });

  it("is open to the provider when it is bound, or may be", () => {
    expect(isOpenToProvider(ACCOUNT)).toBe(false);
    expect(isOpenToProvider({ ...ACCOUNT, may_bind: true })).toBe(true);
    expect(isOpenToProvider({ ...ACCOUNT, has_oidc: true })).toBe(true);
  });

  it("of a school makes no operators", () => {
    expect(rolesFor(() => false, ACCOUNT_ROLES)).not.toContain("operator");
    expect(rolesFor((right) => right === "districts.write", ACCOUNT_ROLES)).toContain("operator");
  });
});

interface Words {
  said: Record<string, Record<string, string>>;
  verb: Record<string, string>;
}

const ENTRY = {
  at: "2026-11-26T00:00:00Z",
  account_id: 1,
  actor: "admin",
  action: "account.add",
  object: "t01",
  address: "::ffff:192.0.2.7",
  names: {},
};

describe("the administration", () => {
  it("shows what one may open", () => {
    expect(sectionsOf(["region.read"]).map(({ name }) => name)).toEqual(["timetable", "plans", "calendar"]);
    expect(sectionsOf([])).toEqual([]);
  });

  it("reads the audit log aloud", () => {
    expect(partsOf("account.reset_password")).toEqual({ thing: "account", verb: "reset_password" });
    const detail = { role: "teacher", school_id: 3, title: "", class_id: null };
    const entry = { ...ENTRY, detail };
    const called = (field: string) => (field === "school_id" ? "学校" : field);
    const shown = (at: string) => moment(at, "Asia/Shanghai", "zh-CN");
    expect(detailOf(entry, called, shown)).toBe("role teacher · 学校 #3");
    const named = { ...entry, names: { school_id: "山坪小学", object: "山坪小学 多媒体教室" } };
    expect(detailOf(named, called, shown)).toBe("role teacher · 学校 山坪小学");
    expect([objectOf(entry), objectOf(named)]).toEqual([ENTRY.object, "山坪小学 多媒体教室"]);
    const imported = {
      ...ENTRY,
      detail: { schools: [4, 0], terms: [0, 0], bells: [{}, {}, {}], leads: true },
    };
    expect(detailOf(imported, called, shown)).toBe("schools +4 ±0 · bells × 3 · leads ✓");
    expect(objectOf({ ...ENTRY, object: "学校 3", detail: { name: "山坪小学" } })).toBe("山坪小学");
    expect(objectOf({ ...ENTRY, object: "zhao01", detail: { name: "赵明" } })).toBe("zhao01");
    expect(addressOf(entry)).toBe("192.0.2.7");
    const refused = { ...ENTRY, detail: { count: 7, last_at: "2026-11-26T00:03:09Z" } };
    expect(detailOf(refused, called, shown)).toBe("count 7 · last_at 2026年11月26日 08:03:09");
  });

  it("has words for everything that the server writes to the log", () => {
    const server = new URL("../../", import.meta.url);
    const sources = ["", "region/"].flatMap((folder) =>
      readdirSync(new URL(folder, server))
        .filter((name) => name.endsWith(".py") && name !== "rights.py")
        .map((name) => readFileSync(new URL(folder + name, server), "utf8")),
    );
    const actions = sources
      .flatMap((text) => [...text.matchAll(/"((?:session|account|device|plan|region)\.[a-z_]+)"/g)])
      .map(([, action = ""]) => partsOf(action));
    expect(actions.length).toBeGreaterThan(20);
    for (const texts of [zhCN, en]) {
      const { said, verb: verbs }: Words = texts.audit;
      const isSaid = ({ thing, verb }: ReturnType<typeof partsOf>) =>
        verb in (said[thing] ?? {}) || verb in verbs;
      expect(actions.filter((action) => !isSaid(action))).toEqual([]);
    }
    expect(Object.keys(zhCN.audit.thing).sort()).toEqual([...AUDIT_THINGS].sort());
  });
});

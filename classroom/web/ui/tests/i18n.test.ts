import { readdirSync, readFileSync } from "node:fs";
import { createI18n } from "vue-i18n";
import { describe, expect, it } from "vitest";
import classEn from "../src/i18n/class/en";
import classZhCN from "../src/i18n/class/zh-CN";
import commonEn from "../src/i18n/en";
import adminEn from "../src/i18n/admin/en";
import adminZhCN from "../src/i18n/admin/zh-CN";
import signInEn from "../src/i18n/signin/en";
import signInZhCN from "../src/i18n/signin/zh-CN";
import staffEn from "../src/i18n/staff/en";
import staffZhCN from "../src/i18n/staff/zh-CN";
import terminalEn from "../src/i18n/terminal/en";
import terminalZhCN from "../src/i18n/terminal/zh-CN";
import commonZhCN from "../src/i18n/zh-CN";

const areas = [commonZhCN, staffZhCN, classZhCN, signInZhCN, adminZhCN];
const zhCN = { ...commonZhCN, ...staffZhCN, ...classZhCN, ...terminalZhCN, ...signInZhCN, ...adminZhCN };
const en = { ...commonEn, ...staffEn, ...classEn, ...terminalEn, ...signInEn, ...adminEn };

type Node = { [key: string]: Node | string };

function flatten(node: Node, path = ""): Map<string, string> {
  const texts = new Map<string, string>();
  for (const [key, value] of Object.entries(node)) {
    if (typeof value === "string") texts.set(path + key, value);
    else for (const [below, text] of flatten(value, `${path}${key}.`)) texts.set(below, text);
  }
  return texts;
}

const chinese = flatten(zhCN);
const english = flatten(en);
const placeholders = (text = ""): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

/** Every key that the sources ask for; `${…}` in a key stands for anything. */
function usedKeys(): string[] {
  const root = new URL("../src/", import.meta.url);
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(vue|ts)$/.test(name),
  );
  return files.flatMap((name) => {
    const text = readFileSync(new URL(name, root), "utf8");
    return [...text.matchAll(/(?:\bt\(\s*(?:[^"'`)]*\?\s*)?|keypath=)(["'`])(.+?)\1/g)].map(
      (match) => match[2] ?? "",
    );
  });
}

describe("the two languages", () => {
  it("have the same keys", () => {
    expect([...english.keys()].sort()).toEqual([...chinese.keys()].sort());
  });

  it.each([...chinese.keys()])("say %s with the same parameters", (key) => {
    expect(placeholders(english.get(key))).toEqual(placeholders(chinese.get(key)));
  });

  // Of two forms vue-i18n takes the first for one: "nothing", where there is one thing.
  it("count in three forms where they count: none, one, many", () => {
    const counted = [...chinese, ...english].filter(([, text]) => text.includes(" | "));
    expect(counted.length).toBeGreaterThan(4);
    expect(counted.filter(([, text]) => text.split(" | ").length !== 3)).toEqual([]);
  });

  it("keep what terminals load apart from what staff read", () => {
    const sections = areas.flatMap((texts) => Object.keys(texts));
    expect(sections).toEqual([...new Set(sections)]);
  });

  it("are really two languages", () => {
    const han = /\p{Script=Han}/u;
    const mixed = [...english].filter(([key, text]) => han.test(text) && key !== "language.other");
    expect(mixed).toEqual([]);
  });

  it("compile", () => {
    const { t } = createI18n<[typeof zhCN], "zh-CN" | "en", false>({
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- as in src/i18n
      legacy: false,
      locale: "en",
      messages: { "zh-CN": zhCN, en },
    }).global;
    for (const [key, text] of english) expect(t(key, { sample: "{sample}" }).length, text).toBeGreaterThan(0);
  });

  it("know every key that the pages ask for", () => {
    const used = usedKeys();
    expect(used.length).toBeGreaterThan(60);
    const unknown = used.filter((key) => {
      const pattern = new RegExp(`^${key.replaceAll(".", "\\.").replaceAll(/\$\{[^}]*\}/g, "\\w+")}$`);
      return ![...chinese.keys()].some((known) => pattern.test(known));
    });
    expect(unknown).toEqual([]);
  });
});

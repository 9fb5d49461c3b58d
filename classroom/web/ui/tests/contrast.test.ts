import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const CSS = readFileSync(new URL("../src/theme/tokens.css", import.meta.url), "utf-8");
const TEXT = 4.5; // WCAG 1.4.3
const PARTS = 3; // WCAG 1.4.11: what one must see to use a page

type Tokens = Record<string, string>;

function tokensIn(block: RegExp): Tokens {
  const [, body = ""] = block.exec(CSS) ?? [];
  return Object.fromEntries(
    [...body.matchAll(/--([\w-]+):\s*([^;]+);/g)].map(([, name, value]) => [name, value]),
  );
}

const light = tokensIn(/^:root \{([^}]+)\}/m);
const dark = { ...light, ...tokensIn(/prefers-color-scheme: dark\) \{\s*:root \{([^}]+)\}/) };
const night = { ...light, ...tokensIn(/^\.night \{([^}]+)\}/m) };

function luminance(tokens: Tokens, name: string): number {
  const value = tokens[name] ?? "";
  const alias = /^var\(--([\w-]+)\)$/.exec(value)?.[1];
  if (alias !== undefined) return luminance(tokens, alias);
  const channels = [1, 3, 5].map((at) => Number.parseInt(value.slice(at, at + 2), 16) / 255);
  const [red, green, blue] = channels.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * (red ?? NaN) + 0.7152 * (green ?? NaN) + 0.0722 * (blue ?? NaN);
}

function contrast(tokens: Tokens, one: string, other: string): number {
  const [low = NaN, high = NaN] = [luminance(tokens, one), luminance(tokens, other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

const GROUNDS = ["paper", "surface", "surface-2"];
const PAIRS: [string, string[], number][] = [
  ["ink", [...GROUNDS, "brand-soft", "danger-soft", "warn-soft"], TEXT],
  ["ink-2", GROUNDS, TEXT],
  ["brand-strong", [...GROUNDS, "brand-soft"], TEXT],
  ["danger-ink", ["paper", "surface", "danger-soft"], TEXT],
  ["warn", ["paper", "surface", "warn-soft"], TEXT],
  ["good", ["paper", "surface"], TEXT],
  ["on-brand", ["brand"], TEXT],
  ["on-danger", ["danger"], TEXT],
  ["focus", ["paper", "surface", "board", "board-2"], PARTS],
  ["chalk", ["board", "board-2"], TEXT],
  ["chalk-2", ["board", "board-2"], TEXT],
  ["amber", ["board", "board-2"], TEXT],
  ["on-air", ["board", "board-2"], TEXT],
];

describe.each([
  ["light", light],
  ["dark", dark],
  ["night", night],
])("the colours by %s", (_, tokens) => {
  it("has a paper of its own", () => {
    const papers = [light, dark, night].filter(
      (other) => luminance(other, "paper") === luminance(tokens, "paper"),
    );
    expect(papers).toEqual([tokens]);
  });
  it.each(PAIRS)("%s can be told from its grounds", (token, grounds, least) => {
    const low = grounds.filter((ground) => !(contrast(tokens, token, ground) >= least));
    expect(low.map((ground) => `${ground} ${contrast(tokens, token, ground).toFixed(2)}`)).toEqual([]);
  });
});

import { createI18n } from "vue-i18n";
import zhCN from "./zh-CN";

/** Every text of the pages; the Chinese file is the master, the compiler holds the other to its keys. */
export type Texts = typeof zhCN;
export type Language = "zh-CN" | "en";

declare module "vue-i18n" {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- vue-i18n is told its keys by merging
  export interface DefineLocaleMessage extends Texts {}
}

const KEY = "classroom.language";

function chosen(): Language {
  return localStorage.getItem(KEY) === "en" ? "en" : "zh-CN";
}

export const i18n = createI18n<[Texts], Language, false>({
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- version 11 needs it, 12 does without
  legacy: false,
  locale: "zh-CN",
  fallbackLocale: "zh-CN",
  // Only what is spoken is loaded; Chinese always, because it stands in for what is missing.
  messages: { "zh-CN": zhCN } as Record<Language, Texts>,
});

/** The texts of the language that was chosen on this device; to be awaited before anything is shown. */
export async function loadLanguage(language: Language = chosen()): Promise<void> {
  if (language === "en") i18n.global.mergeLocaleMessage("en", (await import("./en")).default);
  i18n.global.locale.value = language;
  document.documentElement.lang = language;
}

export async function switchLanguage(): Promise<void> {
  const next: Language = i18n.global.locale.value === "en" ? "zh-CN" : "en";
  await loadLanguage(next);
  localStorage.setItem(KEY, next);
}

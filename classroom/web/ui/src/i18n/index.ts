import { createI18n } from "vue-i18n";
import en from "./en";
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
  locale: chosen(),
  fallbackLocale: "zh-CN",
  messages: { "zh-CN": zhCN, en },
});

document.documentElement.lang = chosen();

export function switchLanguage(): void {
  const next: Language = i18n.global.locale.value === "en" ? "zh-CN" : "en";
  i18n.global.locale.value = next;
  localStorage.setItem(KEY, next);
  document.documentElement.lang = next;
}

/** The texts of signing in, added when its page is opened. */

import { i18n } from "..";
import en from "./en";
import zhCN from "./zh-CN";

export type SignInTexts = typeof zhCN;

declare module "vue-i18n" {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- vue-i18n is told its keys by merging
  export interface DefineLocaleMessage extends SignInTexts {}
}

i18n.global.mergeLocaleMessage("zh-CN", zhCN);
i18n.global.mergeLocaleMessage("en", en);

/** The texts of today and of the teacher's desk, added when one of those is opened: a terminal does not load them. */

import { i18n } from "..";
import en from "./en";
import zhCN from "./zh-CN";

export type ClassTexts = typeof zhCN;

declare module "vue-i18n" {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- vue-i18n is told its keys by merging
  export interface DefineLocaleMessage extends ClassTexts {}
}

i18n.global.mergeLocaleMessage("zh-CN", zhCN);
i18n.global.mergeLocaleMessage("en", en);

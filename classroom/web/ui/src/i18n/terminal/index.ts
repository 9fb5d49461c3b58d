/** The texts of the classroom display, added when it is opened: no other page loads them. */

import { i18n } from "..";
import en from "./en";
import zhCN from "./zh-CN";

export type TerminalTexts = typeof zhCN;

declare module "vue-i18n" {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- vue-i18n is told its keys by merging
  export interface DefineLocaleMessage extends TerminalTexts {}
}

i18n.global.mergeLocaleMessage("zh-CN", zhCN);
i18n.global.mergeLocaleMessage("en", en);

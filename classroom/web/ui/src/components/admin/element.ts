/** What the administration uses of Element Plus, with its styles. */

import { ElConfigProvider as ConfigProvider, ElOption as Option, ElSelect as Select } from "element-plus";
import elementEn from "element-plus/es/locale/lang/en";
import elementZhCN from "element-plus/es/locale/lang/zh-cn";
import type { DefineSetupFnComponent } from "vue";
import "element-plus/es/components/base/style/css";
import "element-plus/es/components/button/style/css";
import "element-plus/es/components/drawer/style/css";
import "element-plus/es/components/input/style/css";
import "element-plus/es/components/option/style/css";
import "element-plus/es/components/pagination/style/css";
import "element-plus/es/components/select/style/css";
import "element-plus/es/components/switch/style/css";
import "../../theme/element.css";

export { ElButton, ElDrawer, ElInput, ElPagination, ElSwitch } from "element-plus";

/** What may be chosen: the id of a thing, or a word. */
export type Choice = number | string;

// The types of these do not survive `exactOptionalPropertyTypes`; here is what we use of them.
interface SelectProps {
  modelValue: Choice | null | undefined;
  id?: string;
  filterable?: boolean;
  remote?: boolean;
  remoteShowSuffix?: boolean;
  remoteMethod?: (words: string) => void;
  loading?: boolean;
  clearable?: boolean;
  disabled?: boolean;
  placeholder?: string;
  ariaLabel?: string;
  noDataText?: string;
  loadingText?: string;
  fitInputWidth?: boolean;
  "onUpdate:modelValue"?: (value: Choice | null | undefined) => void;
  onVisibleChange?: (open: boolean) => void;
}

export const ElSelect = Select as unknown as DefineSetupFnComponent<SelectProps>;
export const ElOption = Option as unknown as DefineSetupFnComponent<{ value: Choice; label: string }>;
export const ElConfigProvider = ConfigProvider as unknown as DefineSetupFnComponent<{ locale: object }>;

/** Its own words, such as those of the page numbers. */
export const ELEMENT_TEXTS = { "zh-CN": elementZhCN, en: elementEn };

/** What is used of Element Plus, with its styles: nothing else of it gets into the library's chunk. */

import { ElConfigProvider as ConfigProvider, ElOption as Option, ElSelect as Select } from "element-plus";
import elementEn from "element-plus/es/locale/lang/en";
import elementZhCN from "element-plus/es/locale/lang/zh-cn";
import type { DefineSetupFnComponent } from "vue";
import "element-plus/es/components/base/style/css";
import "element-plus/es/components/button/style/css";
import "element-plus/es/components/drawer/style/css";
import "element-plus/es/components/dropdown-item/style/css";
import "element-plus/es/components/dropdown-menu/style/css";
import "element-plus/es/components/dropdown/style/css";
import "element-plus/es/components/input/style/css";
import "element-plus/es/components/option/style/css";
import "element-plus/es/components/pagination/style/css";
import "element-plus/es/components/select/style/css";
import "element-plus/es/components/skeleton-item/style/css";
import "element-plus/es/components/skeleton/style/css";
import "../../theme/element.css";

export {
  ElButton,
  ElDrawer,
  ElDropdown,
  ElDropdownItem,
  ElDropdownMenu,
  ElInput,
  ElPagination,
  ElSkeleton,
  ElSkeletonItem,
} from "element-plus";

// The types of these do not survive `exactOptionalPropertyTypes`; here is what we use of them.
interface SelectProps {
  modelValue: string;
  filterable?: boolean;
  clearable?: boolean;
  placeholder?: string;
  ariaLabel?: string;
  noDataText?: string;
  noMatchText?: string;
  "onUpdate:modelValue"?: (value: string | undefined) => void;
}

export const ElSelect = Select as unknown as DefineSetupFnComponent<SelectProps>;
export const ElOption = Option as unknown as DefineSetupFnComponent<{ value: string; label: string }>;
export const ElConfigProvider = ConfigProvider as unknown as DefineSetupFnComponent<{ locale: object }>;

/** Its own words, such as those of the page numbers. */
export const ELEMENT_TEXTS = { "zh-CN": elementZhCN, en: elementEn };

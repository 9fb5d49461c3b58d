import { defineConfigWithVueTs, vueTsConfigs } from "@vue/eslint-config-typescript";
import prettier from "eslint-config-prettier/flat";
import vue from "eslint-plugin-vue";

export default defineConfigWithVueTs(
  { ignores: ["dist/**", "node_modules/**", "public/**", "src/protocol/messages.gen.ts"] },
  vue.configs["flat/recommended"],
  vueTsConfigs.strictTypeChecked,
  {
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "vue/multi-word-component-names": "off",
      // Names end in their unit: `position_s`.
      "vue/prop-name-casing": "off",
      "vue/custom-event-name-casing": "off",
      "vue/attribute-hyphenation": "off",
      "max-lines": ["error", 400],
      "no-console": ["error", { allow: ["warn", "error"] }],
    },
  },
  {
    // The protocol knows neither the pages nor the document: it is what another client would reuse.
    files: ["src/protocol/**"],
    rules: {
      "no-restricted-imports": ["error", { patterns: ["vue", "vue-*", "hls.js", "../*"] }],
      "no-restricted-globals": ["error", "document", "window", "location", "localStorage", "sessionStorage"],
    },
  },
  prettier,
);

import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

const server = "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [vue()],
  define: {
    // Everything here, and in the libraries, is composed in setup().
    __VUE_OPTIONS_API__: "false",
    __VUE_I18N_FULL_INSTALL__: "false",
    __VUE_I18N_LEGACY_API__: "false",
    __INTLIFY_PROD_DEVTOOLS__: "false",
  },
  build: {
    target: "es2022",
    // Never inline: the server's Content-Security-Policy allows files from itself only.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  server: {
    // `npm run dev` beside a running `classroom serve`.
    proxy: {
      "/api": server,
      "/media": server,
      "/whep": server,
      "/healthz": server,
      "/ws": { target: server, ws: true },
    },
  },
  test: { environment: "node", include: ["tests/**/*.test.ts"] },
});

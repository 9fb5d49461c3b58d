import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";
import type { Plugin } from "vite";

const server = "http://127.0.0.1:8080";

/** Puts `x.js.gz` beside each `x.js`, which the server sends in its place: a third of the bytes for a village's line. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir = "dist" }) {
      const assets = join(dir, "assets");
      for (const name of readdirSync(assets).filter((name) => /\.(js|css|svg)$/.test(name))) {
        writeFileSync(join(assets, `${name}.gz`), gzipSync(readFileSync(join(assets, name)), { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [vue(), compressed()],
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
  // A busy machine decides no test: only what never comes is given up.
  test: { environment: "node", include: ["tests/**/*.test.ts"], testTimeout: 30_000 },
});

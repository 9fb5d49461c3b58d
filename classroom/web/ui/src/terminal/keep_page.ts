/** Keeps this page on the device, so that it opens without its server, and takes the next version when nobody looks. */

import { watch, type Ref } from "vue";
import type { TerminalPhase } from "./phase";

const WORKER = "/terminal-worker.js";
const PAGE = "/terminal";
const CACHE = "terminal";
/** By then everything that the page is made of has been loaded. */
const SETTLED_MS = 5_000;

/** Only where the browser allows it (HTTPS or localhost). */
export function keepPage(): void {
  if (!("serviceWorker" in navigator)) return;
  navigator.serviceWorker.register(WORKER, { scope: PAGE }).catch((error: unknown) => {
    console.warn("terminal: the page cannot be kept,", error);
  });
  setTimeout(() => void fill().catch(() => undefined), SETTLED_MS); // offline: what was kept before stays
}

/** The cache holds this version of the page and no other. */
async function fill(): Promise<void> {
  const cache = await caches.open(CACHE);
  const wanted = [PAGE, ...assetsOfPage()];
  await cache.addAll(wanted);
  const addresses = wanted.map((path) => new URL(path, location.origin).href);
  for (const request of await cache.keys()) {
    if (!addresses.includes(request.url)) await cache.delete(request);
  }
}

function assetsOfPage(): string[] {
  const loaded = performance.getEntriesByType("resource").map((entry) => new URL(entry.name).pathname);
  return [...new Set(loaded.filter((path) => path.startsWith("/assets/")))];
}

/** A server that came back may be a newer one: between lessons its page is loaded, too. */
export function useNewVersions(connected: Readonly<Ref<boolean>>, phase: Readonly<Ref<TerminalPhase>>): void {
  watch(connected, (now, before) => {
    if (now && !before && (phase.value === "idle" || phase.value === "offline")) void lookForAnother();
  });
}

async function lookForAnother(): Promise<void> {
  const entry = document.querySelector<HTMLScriptElement>('script[type="module"][src]');
  if (entry === null) return;
  const page = await fetch(PAGE, { cache: "no-store" }).then(
    (response) => (response.ok ? response.text() : null),
    () => null,
  );
  if (page !== null && !page.includes(new URL(entry.src).pathname)) location.reload();
}

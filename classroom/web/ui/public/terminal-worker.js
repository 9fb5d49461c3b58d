/*
 * Opens the classroom display without its server: a screen that is switched on before its network shows its own words,
 * never the browser's error page. What it opens is kept by the page itself (src/terminal/keep_page.ts).
 */
const PATIENCE_MS = 3_000;

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { pathname } = new URL(request.url);
  if (request.method !== "GET") return;
  if (request.mode === "navigate") event.respondWith(newest(request));
  // Named by their contents: what is there is right.
  else if (pathname.startsWith("/assets/")) event.respondWith(kept(request));
});

async function newest(request) {
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (response.ok) return response;
  } catch {
    // No network yet.
  }
  return (await caches.match("/terminal")) ?? Response.error();
}

async function kept(request) {
  return (await caches.match(request)) ?? fetch(request);
}

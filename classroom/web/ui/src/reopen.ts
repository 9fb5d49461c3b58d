/** Open the page anew, but only once the server answers: a kiosk must never end on the browser's own error page. */

const PROBE_MS = 2_000;

let pending = false;

export function reopenWhenServed(): void {
  if (pending) return;
  pending = true;
  const probe = (): void => {
    fetch("/healthz", { cache: "no-store" }).then(
      (response) => {
        if (response.ok) location.reload();
        else setTimeout(probe, PROBE_MS);
      },
      () => setTimeout(probe, PROBE_MS),
    );
  };
  setTimeout(probe, PROBE_MS);
}

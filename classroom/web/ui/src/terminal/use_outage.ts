/** What stands between this terminal and its server: a cable, the server, or somebody at work on it. */

import { ref, type Ref } from "vue";
import { repeatWhile } from "./repeat";

export type Outage = "cable" | "server" | "maintenance";

const LOOK_MS = 3_000;

export function useOutage(wanted: Readonly<Ref<boolean>>): Readonly<Ref<Outage>> {
  const outage = ref<Outage>("server");
  repeatWhile(wanted, async () => {
    outage.value = await whatIsWrong();
    return LOOK_MS;
  });
  return outage;
}

async function whatIsWrong(): Promise<Outage> {
  if (!navigator.onLine) return "cable";
  try {
    const response = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(LOOK_MS) });
    // Somebody answers, though it is not yet the server that takes us in.
    return response.ok ? "server" : "maintenance";
  } catch {
    return "server";
  }
}

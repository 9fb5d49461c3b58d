/** Pairing: this device shows a code, an operator gives it a classroom (docs/protocol.md §7). */

import { Problem, problemOf } from "./problem";
import { forgetSession } from "./session";

export interface Pairing {
  /** What people read to each other: `7F3K-92MP`. */
  code: string;
  /** ISO 8601. */
  expires_at: string;
  /** For nobody but us: what we ask with. */
  poll: string;
}

/** `paired`: the browser has its cookie now. `expired`: begin anew. */
export type PairingStatus = "waiting" | "paired" | "expired";

/** Ask for a code. Throws Problem. */
export async function beginPairing(name: string): Promise<Pairing> {
  return (await (await post("/api/pairing", { kind: "terminal", name })).json()) as Pairing;
}

/** Ask whether an operator has used the code. Throws Problem. */
export async function pollPairing(pairing: Pairing): Promise<PairingStatus> {
  try {
    const response = await post("/api/pairing/poll", { poll: pairing.poll });
    if (response.status === 202) return "waiting";
    forgetSession();
    return "paired";
  } catch (error) {
    if (error instanceof Problem && error.status === 410) return "expired";
    throw error;
  }
}

/** The address of the code as a picture that a telephone reads. */
export function qrAddress(pairing: Pairing): string {
  return `/api/pairing/${encodeURIComponent(pairing.code)}/qr.svg`;
}

/** A path that swallows packets never says so. */
const DEADLINE_MS = 8_000;

async function post(path: string, body: unknown): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      cache: "no-store",
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
  } catch (error) {
    throw new Problem(0, "unreachable", error instanceof Error ? error.message : "");
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

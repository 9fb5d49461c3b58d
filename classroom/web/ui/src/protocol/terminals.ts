/** The devices of the classrooms, for those who look after them (docs/protocol.md §7). */

import type { Checks } from "./device_messages.gen";
import { askSigned } from "./session";

export interface Terminal {
  id: string;
  kind: "terminal" | "capture";
  name: string;
  classroom_id: number;
  classroom: string;
  school_id: number;
  school: string;
  district_id: number;
  online: boolean;
  paired_at: string;
  seen_at: string | null;
  version: string | null;
  /** What it said last of itself. */
  report: { version: string; checks: Checks; children: number | null } | null;
  /** 0 to 100; null leaves it to the room. */
  volume: number | null;
  /** The one that it is in, or the next of the day. */
  lesson: {
    id: string;
    title: string;
    subject: string;
    starts_at: string;
    ends_at: string;
    state: "planned" | "live" | "ended" | "cancelled";
  } | null;
}

/** All within reach; throws Problem. */
export async function listTerminals(signal?: AbortSignal): Promise<Terminal[]> {
  return (await askSigned<{ terminals: Terminal[] }>("/api/terminals", { signal })).terminals;
}

/** Give the device that shows a code its classroom; throws Problem. */
export async function assignTerminal(code: string, classroom_id: number, name: string): Promise<Terminal> {
  return askSigned("/api/terminals", { method: "POST", body: { code, classroom_id, name } });
}

/** Let a device be nobody, at once; throws Problem. */
export async function revokeTerminal(id: string): Promise<void> {
  await askSigned(`/api/terminals/${id}`, { method: "DELETE" });
}

/** How loud it is, 0 to 100; null leaves it to the room; throws Problem. */
export async function setVolume(id: string, volume: number | null): Promise<void> {
  await askSigned(`/api/terminals/${id}/volume`, { method: "PUT", body: { volume } });
}

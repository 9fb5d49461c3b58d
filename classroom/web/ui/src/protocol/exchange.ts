/** A whole region as a spreadsheet (docs/protocol.md §8). */

import { askSigned } from "./session";

export interface ImportOutcome {
  applied: boolean;
  kinds: { sheet: string; kind: string; created: number; changed: number; same: number }[];
  faults_total: number;
  /** The first thousand. */
  faults: { sheet: string; row: number | null; column: string | null; text: string }[];
}

export const TEMPLATE = "/api/region/template.xlsx";
export const EXPORT = "/api/region/export.xlsx";

/** Check a file, or import it: all of it, or nothing when a row is bad. Throws Problem. */
export async function importRegion(file: File, apply: boolean, signal?: AbortSignal): Promise<ImportOutcome> {
  const path = `/api/region/import?apply=${String(apply)}`;
  return askSigned(path, { method: "POST", file, signal });
}

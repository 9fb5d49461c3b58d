/** An error of an HTTP door: `application/problem+json` (RFC 9457, docs/protocol.md §2). */
export class Problem extends Error {
  constructor(
    /** HTTP status; 0 when the server could not be reached. */
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly retryAfter_s: number | null = null,
  ) {
    super(detail || code);
  }
}

/** Read the problem out of a response that is not ok, whatever its body is. */
export async function problemOf(response: Response): Promise<Problem> {
  const retryAfter_s = Number(response.headers.get("Retry-After") ?? NaN);
  const body = (await response.json().catch(() => null)) as { code?: unknown; detail?: unknown } | null;
  return new Problem(
    response.status,
    typeof body?.code === "string" ? body.code : `http_${response.status}`,
    typeof body?.detail === "string" ? body.detail : response.statusText,
    Number.isFinite(retryAfter_s) ? retryAfter_s : null,
  );
}

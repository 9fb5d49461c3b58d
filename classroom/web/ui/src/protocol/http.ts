/** Requests to the JSON API, with one way to fail (docs/protocol.md §2, §5). */

import { Problem, problemOf } from "./problem";

export interface Request {
  token: string;
  method?: "GET" | "POST" | "PUT";
  body?: unknown;
  /** The tag of what is to be written over. */
  over?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Ask with a bearer token. Throws Problem for whatever goes wrong, but the caller's own abort as it is. */
export async function ask(
  path: string,
  { token, method = "GET", body, over, signal }: Request,
): Promise<Response> {
  const headers: Record<string, string> = { Authorization: `Bearer ${token}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (over !== undefined) headers["If-Match"] = over;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      cache: "no-store",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "unreachable", error instanceof Error ? error.message : "");
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

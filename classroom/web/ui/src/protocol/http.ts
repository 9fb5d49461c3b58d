/** Requests to the JSON API, with one way to fail (docs/protocol.md §2, §5). */

import { Problem, problemOf } from "./problem";
import { readSession } from "./session";

export interface Request {
  /** Empty: in the name of whoever is signed in. */
  token: string;
  method?: "GET" | "POST" | "PUT";
  body?: unknown;
  /** The tag of what is to be written over. */
  over?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Ask with a bearer token, or the cookie of a session. Throws Problem for whatever goes wrong, but the caller's own abort as it is. */
export async function ask(
  path: string,
  { token, method = "GET", body, over, signal }: Request,
): Promise<Response> {
  const headers: Record<string, string> = {};
  if (token !== "") headers.Authorization = `Bearer ${token}`;
  else if (method !== "GET") headers["X-CSRF"] = (await readSession()).csrf;
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

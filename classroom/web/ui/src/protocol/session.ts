/** Who this browser is to the server, by its cookies, and what it must say with every change it asks for. */

import { Problem, problemOf } from "./problem";

export interface SessionView {
  account: SessionAccount | null;
  device: SessionDevice | null;
  /** The header `X-CSRF` of everything that changes something. */
  csrf: string;
  /** The account must choose another password before anything else. */
  must_change?: boolean;
}

export interface SessionAccount {
  id: number;
  login: string;
  name: string;
  role: "operator" | "school_admin" | "teacher" | "assistant" | "researcher";
}

export interface SessionDevice {
  id: string;
  kind: "terminal" | "capture";
  name: string;
  classroom_id: number;
}

export interface SignedRequest {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  signal?: AbortSignal | undefined;
}

let csrf: Promise<string> | null = null;

/** Ask who we are; throws Problem. */
export async function readSession(): Promise<SessionView> {
  const session = (await (await send("/api/session", {}, null)).json()) as SessionView;
  csrf = Promise.resolve(session.csrf);
  return session;
}

/** Forget what belonged to a session: after signing in, signing out, pairing. */
export function forgetSession(): void {
  csrf = null;
}

/**
 * Ask by cookie. A change is asked for once more when the session has become another one meanwhile.
 * Throws Problem for whatever goes wrong, but the caller's own abort as it is.
 */
export async function askSigned(path: string, request: SignedRequest = {}): Promise<Response> {
  if ((request.method ?? "GET") === "GET") return send(path, request, null);
  try {
    return await send(path, request, await csrfToken());
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "csrf") throw error;
    csrf = null;
    return send(path, request, await csrfToken());
  }
}

async function csrfToken(): Promise<string> {
  csrf ??= readSession().then((session) => session.csrf);
  try {
    return await csrf;
  } catch (error) {
    csrf = null;
    throw error;
  }
}

async function send(
  path: string,
  { method = "GET", body, signal }: SignedRequest,
  token: string | null,
): Promise<Response> {
  const headers: Record<string, string> = {};
  if (token !== null) headers["X-CSRF"] = token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
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

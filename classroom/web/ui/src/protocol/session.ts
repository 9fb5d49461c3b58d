/** Who this browser is to the server, by its cookies, and what it must say with every change it asks for. */

import { Problem, problemOf } from "./problem";

export interface SessionView {
  account: SessionAccount | null;
  device: SessionDevice | null;
  /** The header `X-CSRF` of everything that changes something, in the name of the account if there is one. */
  csrf: string;
  /** What the identity provider is called with which one may sign in as well; null without one. */
  oidc: string | null;
  /** Of the schools, whatever the zone of this browser is: Asia/Shanghai. */
  timezone: string;
}

export interface SessionAccount {
  id: number;
  login: string;
  name: string;
  role: "operator" | "school_admin" | "teacher" | "assistant" | "researcher";
  person_id: number | null;
  district_id: number | null;
  school_id: number | null;
  /** Another password has to be chosen before anything else. */
  must_change: boolean;
  /** What the account may do (classroom/web/rights.py). */
  rights: string[];
}

export interface SessionDevice {
  id: string;
  kind: "terminal" | "capture";
  name: string;
  classroom_id: number;
  /** The header `X-CSRF` of what is asked in the name of the device. */
  csrf: string;
}

/** In whose name a page asks: a browser may be a paired device in which somebody has signed in as well. */
export type Asker = "account" | "device";

export interface SignedRequest {
  as?: Asker;
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  /** Sent as it is, in place of a body. */
  file?: File;
  /** The tag of what is to be written over. */
  over?: string | undefined;
  signal?: AbortSignal | undefined;
}

let known: Promise<SessionView> | null = null;

/** By then an answer has come whole, or none will: a path that swallows packets never says so. */
const DEADLINE_MS = 8_000;
/** A large spreadsheet over a thin link, and what the server needs to look at it. */
const FILE_DEADLINE_MS = 180_000;

/** Ask who we are; throws Problem. */
export function readSession(): Promise<SessionView> {
  const asked = send<SessionView>("/api/session", {}, null).then(({ answer }) => answer);
  known = asked;
  asked.catch(() => {
    if (known === asked) known = null;
  });
  return asked;
}

/** Forget what belonged to a session: after signing in, signing out, pairing. */
export function forgetSession(): void {
  known = null;
}

/** Begin a session; throws Problem (401, 403, 423, 429). */
export async function signIn(login: string, password: string): Promise<void> {
  await send("/api/session", { method: "POST", body: { login, password } }, null);
  forgetSession();
}

/** Choose another password; throws Problem. The session goes on as a new one. */
export async function changePassword(old: string, next: string): Promise<void> {
  await askSigned("/api/session/password", { method: "PUT", body: { old, new: next } });
  forgetSession();
}

/** End the session; throws Problem. */
export async function signOut(): Promise<void> {
  await askSigned("/api/session", { method: "DELETE" });
  forgetSession();
}

/** What an answer says, and its tag where it has one: who writes over it says what they saw. */
export interface Answered<Answer> {
  answer: Answer;
  tag: string | undefined;
}

/**
 * Ask by cookie; returns what the answer says. A change is asked for once more when the session has become another one
 * meanwhile. Throws Problem for whatever goes wrong, but the caller's own abort as it is.
 */
export async function askSigned<Answer>(path: string, request: SignedRequest = {}): Promise<Answer> {
  return (await askTagged<Answer>(path, request)).answer;
}

/** As askSigned; with the tag of what was told. */
export async function askTagged<Answer>(
  path: string,
  request: SignedRequest = {},
): Promise<Answered<Answer>> {
  if ((request.method ?? "GET") === "GET") return send(path, request, null);
  const session = known;
  try {
    return await send(path, request, csrfOf(await (session ?? readSession()), request.as));
  } catch (error) {
    const outdated = session !== null && error instanceof Problem && error.code === "csrf";
    if (!outdated) throw error;
    return send(path, request, csrfOf(await readSession(), request.as));
  }
}

function csrfOf({ csrf, device }: SessionView, asker: Asker = "account"): string {
  return asker === "device" ? (device?.csrf ?? "") : csrf;
}

async function send<Answer>(
  path: string,
  { method = "GET", body, file, over, signal }: SignedRequest,
  token: string | null,
): Promise<Answered<Answer>> {
  const headers: Record<string, string> = {};
  if (token !== null) headers["X-CSRF"] = token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (file !== undefined) {
    headers["Content-Type"] = "application/octet-stream";
    headers["X-Filename"] = encodeURIComponent(file.name);
  }
  if (over !== undefined) headers["If-Match"] = over;
  const abort = new AbortController();
  const giveUp = (): void => abort.abort();
  const deadline = setTimeout(giveUp, file === undefined ? DEADLINE_MS : FILE_DEADLINE_MS);
  signal?.addEventListener("abort", giveUp);
  try {
    const response = await fetch(path, {
      method,
      headers,
      cache: "no-store",
      signal: abort.signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(file === undefined ? {} : { body: file }),
    });
    if (!response.ok) throw await problemOf(response);
    const answer = (response.status === 204 ? undefined : await response.json()) as Answer;
    return { answer, tag: response.headers.get("ETag") ?? undefined };
  } catch (error) {
    if (error instanceof Problem || signal?.aborted) throw error;
    throw new Problem(0, "unreachable", error instanceof Error ? error.message : "");
  } finally {
    clearTimeout(deadline);
    signal?.removeEventListener("abort", giveUp);
  }
}

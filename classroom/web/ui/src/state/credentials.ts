/** The media tokens of a lesson for a device or somebody who has signed in, renewed as long as they are asked for. */

import type { Role } from "../protocol/messages.gen";
import { askSigned, type Asker } from "../protocol/session";

export interface LessonCredentials {
  readonly lesson: string;
  readonly role: Role;
  readonly participant: string;
  /** A token that is good for a while; name the one that was refused (401, 4401) to get another. Throws Problem. */
  token(refused?: string): Promise<string>;
}

export interface IssuedToken {
  token: string;
  role: Role;
  /** ISO 8601. */
  expires_at: string;
  /** How long it is good from now on: our clock need not agree with the server's. */
  ttl_s: number;
  participant: string;
}

/** Renewed when so much is left, so that a server that is away for a moment ends nobody's lesson. */
const RENEW_MS = 5 * 60_000;

/**
 * Ask for a token of this lesson as the device or the person that the cookies say, and go on asking.
 * Throws Problem: 403 when we have no part in the lesson.
 */
export async function obtainCredentials(
  lesson: string,
  asker: Asker,
  ask: (lesson: string, asker: Asker) => Promise<IssuedToken> = askForToken,
): Promise<LessonCredentials> {
  const first = await ask(lesson, asker);
  return new RenewedCredentials(lesson, first, () => ask(lesson, asker));
}

function askForToken(lesson: string, asker: Asker): Promise<IssuedToken> {
  const path = `/api/lessons/${encodeURIComponent(lesson)}/token`;
  return askSigned(path, { method: "POST", as: asker });
}

class RenewedCredentials implements LessonCredentials {
  #issued: IssuedToken;
  #goodUntil_ms: number;
  #asking: Promise<string> | null = null;
  readonly #ask: () => Promise<IssuedToken>;

  constructor(
    readonly lesson: string,
    first: IssuedToken,
    ask: () => Promise<IssuedToken>,
  ) {
    this.#issued = first;
    this.#goodUntil_ms = endOf_ms(first);
    this.#ask = ask;
  }

  get role(): Role {
    return this.#issued.role;
  }

  get participant(): string {
    return this.#issued.participant;
  }

  async token(refused?: string): Promise<string> {
    const { token } = this.#issued;
    if (refused === token) return this.#renew();
    const left_ms = this.#goodUntil_ms - performance.now();
    if (left_ms > RENEW_MS) return token;
    if (left_ms <= 0) return this.#renew();
    return this.#renew().catch(() => token); // it is still good
  }

  #renew(): Promise<string> {
    this.#asking ??= this.#ask()
      .then((issued) => {
        this.#issued = issued;
        this.#goodUntil_ms = endOf_ms(issued);
        return issued.token;
      })
      .finally(() => (this.#asking = null));
    return this.#asking;
  }
}

function endOf_ms(issued: IssuedToken): number {
  return performance.now() + issued.ttl_s * 1000;
}

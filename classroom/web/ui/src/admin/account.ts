/** Who has signed in to the administration; its parts are shown only while somebody has. */

import { inject, type InjectionKey } from "vue";
import type { SessionAccount } from "../protocol/session";

export interface Administrator {
  account: SessionAccount;
  /** Whether a right is the account's, within its reach; what it may not do it is not offered. */
  may: (right: string) => boolean;
  /** The zone of the schools, in which all times are shown. */
  zone: string;
  /** What the OpenID provider is called; null without one. */
  oidc: string | null;
  /** The session is over: sign in, and come back. */
  signInAgain: () => void;
}

export const ADMINISTRATOR: InjectionKey<Administrator> = Symbol("administrator");

export function useAdministrator(): Administrator {
  const found = inject(ADMINISTRATOR);
  if (found === undefined) throw new Error("there is no administrator outside of its page");
  return found;
}

/** The commands that were said and are not answered yet. */

import type { ClientMessage, ErrorMessage, Hello } from "./messages.gen";

export type Command = Exclude<Extract<ClientMessage, { id: string }>, Hello>;

/** A command was refused; `timeout`: no answer came, `lost`: there never was a connection, or we have stopped. */
export class CommandFailed extends Error {
  constructor(
    readonly code: ErrorMessage["code"] | "lost" | "timeout",
    readonly detail: string,
  ) {
    super(detail || code);
  }
}

/** More than a person can have pressed while the connection was away. */
const MAX_PENDING = 64;

interface Waiting {
  command: Command;
  resolve: () => void;
  reject: (failure: CommandFailed) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class PendingCommands {
  readonly #waiting = new Map<string, Waiting>();

  /** What is to be said again in another connection, in the order in which it was said. */
  get commands(): Command[] {
    return [...this.#waiting.values()].map(({ command }) => command);
  }

  /** Resolves when the command is acknowledged; rejects with CommandFailed. */
  add(command: Command, within_ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size >= MAX_PENDING) {
        reject(new CommandFailed("busy", ""));
        return;
      }
      const timer = setTimeout(() => this.reject(command.id, new CommandFailed("timeout", "")), within_ms);
      this.#waiting.set(command.id, { command, resolve, reject, timer });
    });
  }

  resolve(id: string): void {
    this.#settle(id)?.resolve();
  }

  reject(id: string, failure: CommandFailed): void {
    this.#settle(id)?.reject(failure);
  }

  /** Nobody will answer any more. */
  abandon(): void {
    for (const id of [...this.#waiting.keys()]) this.reject(id, new CommandFailed("lost", ""));
  }

  #settle(id: string): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    return waiting;
  }
}

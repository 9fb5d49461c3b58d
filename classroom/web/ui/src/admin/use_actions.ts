/** What somebody does with what a section shows: asked before it is done, told afterwards, and shown anew. */

import { ref, shallowRef, type Ref, type ShallowRef } from "vue";
import { useChange } from "./use_answer";

export interface Question {
  title: string;
  text: string;
  yes: string;
  work: () => Promise<unknown>;
  /** What is told when it has been done. */
  done: string;
}

export interface Actions {
  told: Ref<string>;
  failure: Ref<string>;
  busy: Ref<boolean>;
  asking: Ref<boolean>;
  question: ShallowRef<Question | null>;
  /** How often what is shown has been shown anew after something was done. */
  settled: Ref<number>;
  act: (work: () => Promise<unknown>, done: string) => Promise<void>;
  ask: (question: Question) => void;
  /** Something has been done elsewhere, in a form for example. */
  say: (done: string) => void;
  forget: () => void;
}

export function useActions(refresh: () => Promise<void>): Actions {
  const { failure, busy, change } = useChange();
  const told = ref("");
  const asking = ref(false);
  const question = shallowRef<Question | null>(null);
  const settled = ref(0);

  function forget(): void {
    told.value = "";
    failure.value = "";
  }

  function say(done: string): void {
    forget();
    told.value = done;
    void refresh().then(() => settled.value++);
  }

  async function act(work: () => Promise<unknown>, done: string): Promise<void> {
    forget();
    if (await change(work)) say(done);
  }

  function ask(about: Question): void {
    forget();
    question.value = about;
    asking.value = true;
  }

  return { told, failure, busy, asking, question, settled, act, ask, say, forget };
}

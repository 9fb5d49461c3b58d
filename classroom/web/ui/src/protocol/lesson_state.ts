/** The lesson as this client knows it: a snapshot and the deltas since (docs/protocol.md §4). Pure. */

import type { LessonView, ParticipantView, PublicationView, ServerMessage } from "./messages.gen";

export interface LessonSnapshot {
  seq: number;
  you: string;
  lesson: LessonView;
  participants: ParticipantView[];
  publications: PublicationView[];
}

/** A delta is missing or came before any snapshot: what we know can no longer be trusted. */
export class SequenceGap extends Error {}

/**
 * The state after a message; messages that change nothing return it as it was.
 *
 * Throws SequenceGap when a delta does not follow on from the state.
 */
export function applyMessage(state: LessonSnapshot | null, message: ServerMessage): LessonSnapshot | null {
  switch (message.type) {
    case "snapshot": {
      const { seq, you, lesson, participants, publications } = message;
      return { seq, you, lesson, participants, publications };
    }
    case "lesson_changed":
      return { ...following(state, message.seq), lesson: message.lesson };
    case "participant_changed": {
      const next = following(state, message.seq);
      return { ...next, participants: put(next.participants, message.participant) };
    }
    case "participant_left": {
      const next = following(state, message.seq);
      return { ...next, participants: next.participants.filter((p) => p.id !== message.participant_id) };
    }
    case "publication_changed": {
      const next = following(state, message.seq);
      return { ...next, publications: put(next.publications, message.publication) };
    }
    case "publication_removed": {
      const next = following(state, message.seq);
      return { ...next, publications: next.publications.filter((p) => p.id !== message.publication_id) };
    }
    case "session_ended": // nothing of the lesson changes, and they count
    case "note":
    case "volume_set":
      return following(state, message.seq);
    default:
      return state;
  }
}

function following(state: LessonSnapshot | null, seq: number): LessonSnapshot {
  if (state === null) throw new SequenceGap(`delta ${seq} before the snapshot`);
  if (seq !== state.seq + 1) throw new SequenceGap(`delta ${seq} after ${state.seq}`);
  return { ...state, seq };
}

/** Replace the item with the same id where it stands, or append it. */
function put<T extends { id: string }>(items: T[], item: T): T[] {
  const at = items.findIndex((known) => known.id === item.id);
  return at < 0 ? [...items, item] : items.map((known, i) => (i === at ? item : known));
}

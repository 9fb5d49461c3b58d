/** How a second picture follows the first. Pure: positions in, what to do out. All times in seconds. */

/** Drift that nobody sees: less than a frame of the slides. */
const HOLD_S = 0.02;
/** Once correcting, go on until this close: no hunting around the threshold. */
const SETTLED_S = 0.01;
/** Beyond this nudging would take too long. */
const SEEK_S = 1;
/** This far ahead the slides stand still until the leader is there: the quickest way, and nobody hears it. */
const AHEAD_S = 0.04;
/** Who waits for the leader goes on when it is past by more than a seek is off. */
const PAST_S = 0.002;
/** Drift is worked off in about this time; slides are mute, so their pace may change a lot unheard. */
const WITHIN_S = 0.25;
const MAX_NUDGE = 0.5;
/** A new pace costs the browser a frame or two: not for every small change. */
const NUDGE_STEP = 0.25;

export interface Follower {
  /** Where the follower is, on the lesson's axis. */
  position_s: number;
  /** Its span on that axis. */
  start_s: number;
  end_s: number;
  /** Its present playback rate divided by the leader's: 1 when it is not being corrected, 0 when it waits. */
  nudge: number;
}

export type SyncAction =
  | { kind: "play"; nudge: number }
  | { kind: "seek"; to_s: number }
  /** The leader is outside of the follower's span: stand still at its nearest picture. */
  | { kind: "rest"; at_s: number };

/** What the follower must do to be where the leader is (`leader_s` on the lesson's axis). */
export function follow(leader_s: number, follower: Follower): SyncAction {
  if (leader_s < follower.start_s) return { kind: "rest", at_s: follower.start_s };
  if (leader_s >= follower.end_s) return { kind: "rest", at_s: follower.end_s };
  const drift_s = follower.position_s - leader_s;
  const off_s = Math.abs(drift_s);
  if (off_s > SEEK_S) return { kind: "seek", to_s: leader_s };
  if (drift_s > (follower.nudge === 0 ? -PAST_S : AHEAD_S)) return { kind: "play", nudge: 0 };
  const correcting = follower.nudge !== 1;
  if (off_s <= (correcting ? SETTLED_S : HOLD_S)) return { kind: "play", nudge: 1 };
  const steps = Math.ceil(Math.min(MAX_NUDGE, off_s / WITHIN_S) / NUDGE_STEP - 1e-9);
  return { kind: "play", nudge: 1 - Math.sign(drift_s) * steps * NUDGE_STEP };
}

/** The seeks of a follower that stands still: one for each place, for it lands as near as its media let it. */
export class Standstill {
  #sought_s: number | null = null;
  #reach_s = 0;

  /**
   * Whether a follower at `position_s` is to seek to `to_s` now. `reach_s`: how far its media go by now; when that
   * changes, as in a lesson that goes on, it may land nearer.
   */
  seeks(position_s: number, to_s: number, reach_s: number, within_s = SETTLED_S): boolean {
    const sought = to_s === this.#sought_s && Object.is(reach_s, this.#reach_s);
    if (sought || Math.abs(position_s - to_s) <= within_s) return false;
    this.#sought_s = to_s;
    this.#reach_s = reach_s;
    return true;
  }

  /** It was taken elsewhere meanwhile. */
  end(): void {
    this.#sought_s = null;
  }
}

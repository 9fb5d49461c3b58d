/**
 * Plays the parts of a recording as one: the leader (teacher's picture and voice) gives the time, the slides
 * follow. Where the leader has nothing (it began later, or broke off), the clock of this device goes on.
 */

import { Deck } from "./deck";
import type { ReplayPlan } from "./plan";
import { follow, Standstill } from "./sync";

export interface PlayerView {
  position_s: number;
  start_s: number;
  end_s: number;
  playing: boolean;
  /** Wants to play and has no data. */
  waiting: boolean;
  ended: boolean;
  /** How far the leader is loaded without a hole, on the lesson's axis. */
  bufferedTo_s: number;
  /** The slides minus the leader, in seconds; null while one of them rests. */
  drift_s: number | null;
  slidesVisible: boolean;
  mainVisible: boolean;
}

export interface PlayerOptions {
  token: string;
  from_s: number;
  onview: (view: PlayerView) => void;
  onfailed: (detail: string | null) => void;
}

const TICK_MS = 50;
/** The page is told of every second tick: ten times a second. */
const TICKS_PER_VIEW = 2;
/** The very end of a file is reached when so little is left. */
const END_S = 0.05;
/** Where the slides have nothing to show, any of their nearest pictures will do. */
const NEAREST_S = 0.5;
/** A seek lands a little before where it was meant to, which must not show as a second less. */
const LANDED_S = 0.002;
/** A first picture is shown so much before its time: sources never start in the same instant. */
const EARLY_S = 5;
/** After a seek both start together; a voice does not wait longer than this for its slides. */
const GATHER_MS = 1_500;
/** So long after a start the slides are looked at with every picture of the screen. */
const START_MS = 500;

export class ReplayPlayer {
  readonly #main: Deck;
  readonly #slides: Deck | null;
  readonly #onview: (view: PlayerView) => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #plan: ReplayPlan;
  #position_s: number;
  #playing = false;
  #rate = 1;
  #nudge = 1;
  readonly #standstill = new Standstill();
  #ticks = 0;
  #ticked_ms = performance.now();
  /** Until when the leader waits for the slides; 0 when it does not. */
  #gatherUntil_ms = 0;
  #started_ms = -Infinity;
  #soon = 0;

  constructor(
    plan: ReplayPlan,
    elements: { main: HTMLVideoElement; slides: HTMLVideoElement },
    { token, from_s, onview, onfailed }: PlayerOptions,
  ) {
    this.#plan = plan;
    this.#position_s = Math.min(Math.max(from_s, plan.start_s), plan.end_s);
    this.#onview = onview;
    const options = { token, from_s: this.#position_s, onfailed };
    this.#main = new Deck(elements.main, plan.main, options);
    this.#slides = plan.slides === null ? null : new Deck(elements.slides, plan.slides, options);
    if (this.#slides !== null) this.#slides.element.muted = true;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    cancelAnimationFrame(this.#soon);
    this.#main.close();
    this.#slides?.close();
  }

  /** The recording has grown. */
  extend(plan: ReplayPlan): void {
    this.#plan = plan;
    this.#main.plan = plan.main;
    if (this.#slides !== null && plan.slides !== null) this.#slides.plan = plan.slides;
  }

  play(): void {
    if (this.#position_s >= this.#plan.end_s - END_S) this.seek(this.#plan.start_s);
    this.#playing = true;
    this.#gather();
    // In the same turn as the touch that asked for it: browsers want that for sound.
    if (this.#main.covers(this.#position_s)) this.#main.play(this.#rate);
    this.#update();
  }

  pause(): void {
    this.#playing = false;
    this.#main.pause();
    this.#slides?.pause();
    this.#update();
  }

  get playing(): boolean {
    return this.#playing;
  }

  get position_s(): number {
    return this.#position_s;
  }

  seek(position_s: number): void {
    this.#position_s = Math.min(Math.max(position_s, this.#plan.start_s), this.#plan.end_s);
    this.#main.seek(this.#position_s);
    this.#slides?.seek(this.#position_s);
    this.#standstill.end();
    this.#gather();
    this.#update();
  }

  seekBy(by_s: number): void {
    this.seek(this.#position_s + by_s);
  }

  /** One picture of the leader on or back; only standing still. */
  step(frames: 1 | -1): void {
    if (!this.#playing) this.seekBy(frames * this.#main.frame_s);
  }

  set rate(rate: number) {
    this.#rate = rate;
    this.#main.element.playbackRate = rate;
    this.#update(false);
  }

  /** Start together. Sound starts late and creeps at first; slides would be off at once, so they wait for the leader. */
  #gather(): void {
    this.#gatherUntil_ms = performance.now() + GATHER_MS;
    this.#slides?.pause();
    this.#nudge = 0;
  }

  /** Whether the leader still waits, so that both start from one place at one time. */
  #gathering(): boolean {
    if (this.#gatherUntil_ms === 0) return false;
    const slides = this.#slides;
    const together =
      slides === null || !slides.covers(this.#position_s) || (slides.ready && this.#main.ready);
    const now_ms = performance.now();
    if (!together && now_ms <= this.#gatherUntil_ms) return true;
    this.#gatherUntil_ms = 0;
    this.#started_ms = now_ms;
    return false;
  }

  /** With the next picture of the screen: while something is corrected, a tick is long. */
  #lookSoon(): void {
    cancelAnimationFrame(this.#soon);
    this.#soon = requestAnimationFrame(() => this.#update(false));
  }

  #tick(): void {
    this.#ticks += 1;
    this.#update(this.#ticks % TICKS_PER_VIEW === 0);
  }

  #update(report = true): void {
    const now_ms = performance.now();
    const passed_s = (now_ms - this.#ticked_ms) / 1000;
    this.#ticked_ms = now_ms;
    const leading = this.#lead(passed_s);
    const drift_s = this.#slides === null ? null : this.#guide(this.#slides, leading);
    if (report) this.#report(leading, drift_s);
  }

  /** Move the position on; returns whether time passes. */
  #lead(passed_s: number): boolean {
    const main = this.#main;
    const { element } = main;
    const spent =
      element.ended ||
      (element.duration > 0 && element.currentTime >= element.duration - END_S && element.paused);
    if (main.covers(this.#position_s) && !spent) {
      if (element.seeking) return false;
      if (this.#playing && this.#gathering()) {
        main.pause();
        return false;
      }
      // What counts is the leader's own clock; while it stalls, so does the lesson.
      const moved = Math.abs(main.position_s - this.#position_s) > LANDED_S;
      if (moved && element.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA)
        this.#position_s = main.position_s;
      if (!this.#playing) return false;
      main.play(this.#rate);
      return main.ready;
    }
    if (!this.#playing) return false;
    if (this.#position_s >= this.#plan.end_s - END_S) {
      this.pause();
      return false;
    }
    if (this.#position_s >= main.plan.end_s) main.pause();
    this.#position_s = Math.min(this.#plan.end_s, this.#position_s + passed_s * this.#rate);
    if (main.covers(this.#position_s) && !spent) main.seek(this.#position_s);
    return true;
  }

  /** Keep the slides with the position; returns their drift. */
  #guide(slides: Deck, leading: boolean): number | null {
    if (slides.element.seeking) return null;
    const action = follow(this.#position_s, {
      position_s: slides.position_s,
      start_s: slides.plan.start_s,
      end_s: slides.plan.end_s,
      nudge: this.#nudge,
    });
    const { duration } = slides.element;
    if (action.kind === "rest") {
      slides.pause();
      if (this.#standstill.seeks(slides.position_s, action.at_s, duration, NEAREST_S))
        slides.seek(action.at_s);
      return null;
    }
    const drift_s = slides.position_s - this.#position_s;
    if (!this.#playing) {
      slides.pause();
      // The right picture is a seek away, and nobody hears it.
      if (this.#standstill.seeks(slides.position_s, this.#position_s, duration))
        slides.seek(this.#position_s);
    } else if (action.kind === "seek") {
      this.#nudge = 1;
      slides.seek(action.to_s);
    } else if (leading) {
      this.#nudge = action.nudge;
      if (action.nudge === 0) slides.pause();
      else slides.play(this.#rate * action.nudge);
      if (action.nudge !== 1 || performance.now() < this.#started_ms + START_MS) this.#lookSoon();
    } else {
      slides.pause();
    }
    return drift_s;
  }

  #report(leading: boolean, drift_s: number | null): void {
    const { start_s, end_s } = this.#plan;
    this.#onview({
      position_s: this.#position_s,
      start_s,
      end_s,
      playing: this.#playing,
      waiting: this.#playing && !leading,
      ended: !this.#playing && this.#position_s >= end_s - 2 * END_S,
      bufferedTo_s: this.#bufferedTo_s(),
      drift_s,
      mainVisible: this.#position_s >= this.#main.plan.start_s - EARLY_S,
      slidesVisible: this.#slides !== null && this.#position_s >= this.#slides.plan.start_s - EARLY_S,
    });
  }

  #bufferedTo_s(): number {
    const { buffered, currentTime } = this.#main.element;
    for (let i = 0; i < buffered.length; i += 1) {
      if (buffered.start(i) <= currentTime + 0.1 && buffered.end(i) >= currentTime) {
        return this.#main.plan.start_s + buffered.end(i);
      }
    }
    return this.#position_s;
  }
}

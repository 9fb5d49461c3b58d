/** One media element fed by hls.js, on the lesson's axis. */

import Hls, { ErrorDetails, ErrorTypes, type ErrorData } from "hls.js";
import type { DeckPlan } from "./plan";

const RETRY_MS = 2_000;
/** Until two frames have been seen: the usual 25 a second. */
const USUAL_FRAME_S = 0.04;

export interface DeckOptions {
  token: string;
  /** Where on the lesson's axis loading begins: the first thing fetched is what is shown first. */
  from_s: number;
  /** Told in a few words what cannot be read, or null when it can again; loading goes on trying where that makes sense. */
  onfailed: (detail: string | null) => void;
}

export class Deck {
  readonly element: HTMLVideoElement;
  plan: DeckPlan;
  readonly #hls: Hls;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #recovered_ms = 0;
  #frame_s = USUAL_FRAME_S;
  #shown_s: number | null = null;
  #frames: number;

  constructor(element: HTMLVideoElement, plan: DeckPlan, { token, from_s, onfailed }: DeckOptions) {
    this.element = element;
    this.plan = plan;
    element.preservesPitch = true;
    this.#hls = new Hls({
      // A lesson that is still being recorded is watched from its beginning, too, unless another place is asked for.
      startPosition: this.#own_s(from_s),
      startFragPrefetch: true,
      maxBufferLength: 40,
      backBufferLength: 60,
      enableWorker: false, // fragmented MP4 needs no demultiplexing
      xhrSetup(xhr, url) {
        if (xhr.readyState === XMLHttpRequest.UNSENT) xhr.open("GET", url, true);
        xhr.setRequestHeader("Authorization", `Bearer ${token}`);
      },
    });
    this.#hls.on(Hls.Events.ERROR, (_, data) => this.#failed(data, onfailed));
    this.#hls.on(Hls.Events.FRAG_BUFFERED, () => onfailed(null));
    this.#hls.loadSource(plan.url);
    this.#hls.attachMedia(element);
    this.#frames = this.#watchFrames();
  }

  static isSupported(): boolean {
    return Hls.isSupported();
  }

  get position_s(): number {
    return this.plan.start_s + this.element.currentTime;
  }

  /** Has data for now and a little more, so that it would move if it were played. */
  get ready(): boolean {
    return !this.element.seeking && this.element.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;
  }

  /** How long one frame lasts. */
  get frame_s(): number {
    return this.#frame_s;
  }

  covers(position_s: number): boolean {
    return position_s >= this.plan.start_s && position_s < this.plan.end_s;
  }

  /** Go to a place on the lesson's axis, or to the nearest place that this track has. */
  seek(position_s: number): void {
    this.element.currentTime = this.#own_s(position_s);
  }

  play(rate: number): void {
    if (this.element.playbackRate !== rate) this.element.playbackRate = rate;
    // Refused without a touch on some browsers; the page then simply stays paused.
    if (this.element.paused) this.element.play().catch(() => undefined);
  }

  pause(): void {
    if (!this.element.paused) this.element.pause();
  }

  close(): void {
    clearTimeout(this.#retryTimer);
    if (this.#frames !== 0) this.element.cancelVideoFrameCallback(this.#frames);
    this.#hls.destroy();
  }

  #own_s(position_s: number): number {
    return Math.max(0, Math.min(position_s, this.plan.end_s) - this.plan.start_s);
  }

  #watchFrames(): number {
    if (!("requestVideoFrameCallback" in this.element)) return 0; // a Firefox before 132 steps by the usual frame
    return this.element.requestVideoFrameCallback((_, { mediaTime }) => {
      const passed_s = mediaTime - (this.#shown_s ?? mediaTime);
      // Now and then a frame is not shown, so what counts is the shortest time between two.
      if (passed_s > 0.008 && passed_s < this.#frame_s + 0.001) this.#frame_s = passed_s;
      this.#shown_s = mediaTime;
      this.#frames = this.#watchFrames();
    });
  }

  #failed(data: ErrorData, onfailed: (detail: string | null) => void): void {
    if (!data.fatal) return;
    const status = data.response?.code;
    onfailed(status ? `${data.details} (${status})` : data.details);
    if (data.type === ErrorTypes.MEDIA_ERROR && performance.now() - this.#recovered_ms > 5_000) {
      this.#recovered_ms = performance.now();
      this.#hls.recoverMediaError();
      return;
    }
    if (data.type !== ErrorTypes.NETWORK_ERROR) return;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => {
      const playlistMissing =
        data.details === ErrorDetails.MANIFEST_LOAD_ERROR ||
        data.details === ErrorDetails.MANIFEST_LOAD_TIMEOUT;
      if (playlistMissing) this.#hls.loadSource(this.plan.url);
      else this.#hls.startLoad();
    }, RETRY_MS);
  }
}

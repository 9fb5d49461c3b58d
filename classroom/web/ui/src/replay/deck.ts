/** One media element fed by hls.js, on the lesson's axis. */

import Hls, { ErrorDetails, ErrorTypes, type ErrorData } from "hls.js";
import type { DeckPlan } from "./plan";

const RETRY_MS = 2_000;

export class Deck {
  readonly element: HTMLVideoElement;
  plan: DeckPlan;
  readonly #hls: Hls;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #recovered_ms = 0;

  /** `onfailed` is told in a few words what cannot be read; loading goes on trying where that makes sense. */
  constructor(
    element: HTMLVideoElement,
    plan: DeckPlan,
    token: string,
    onfailed: (detail: string | null) => void,
  ) {
    this.element = element;
    this.plan = plan;
    element.preservesPitch = true;
    this.#hls = new Hls({
      startPosition: 0, // a lesson that is still being recorded is watched from its beginning, too
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

  covers(position_s: number): boolean {
    return position_s >= this.plan.start_s && position_s < this.plan.end_s;
  }

  /** Go to a place on the lesson's axis, or to the nearest place that this track has. */
  seek(position_s: number): void {
    const own_s = Math.min(position_s, this.plan.end_s) - this.plan.start_s;
    this.element.currentTime = Math.max(0, own_s);
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
    this.#hls.destroy();
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

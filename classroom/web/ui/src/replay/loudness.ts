/**
 * The loudness of a recording, evened out while it is played. Quieter is a lower volume. Louder needs Web Audio: a gain, then a
 * limiter, so that a cough does not clip. A browser lets Web Audio run only after a touch, and may stop it (another tab, an
 * unplugged loudspeaker); the sound must not hang on that, so it is used only once it runs.
 */

/** Anything less is not heard. */
const WORTH_DB = 0.5;

export interface Volume {
  /** 0 to 1. */
  volume: number;
  muted: boolean;
}

/** A factor of amplitude. */
export function fromDb(db: number): number {
  return 10 ** (db / 20);
}

/** Gain and limiter in front of `to`; nothing that comes out is beyond ±1, whatever goes in. Returns where to connect a source. */
export function limited(context: BaseAudioContext, gain_db: number, to: AudioNode): AudioNode {
  const gain = new GainNode(context, { gain: fromDb(gain_db) });
  const compressor = new DynamicsCompressorNode(context, {
    threshold: -6,
    knee: 0,
    ratio: 20,
    attack: 0.003,
    release: 0.2,
  });
  // What gets past the compressor in its first milliseconds is bent, not cut: straight up to ±0.8, then towards ±0.98.
  const headroom = new GainNode(context, { gain: 1 / BEND_RANGE });
  const bend = new WaveShaperNode(context, { curve: bendCurve() });
  gain.connect(compressor).connect(headroom).connect(bend).connect(to);
  return gain;
}

/** The shaper clamps what is beyond its range; 12 dB beyond full scale is more than any gain here gives. */
const BEND_RANGE = 4;
const BEND_FROM = 0.8;
const BEND_TO = 0.98;

/** Odd, monotonous, from −BEND_RANGE to BEND_RANGE. */
export function bendCurve(points = 8193): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: points }, (_, i) => {
    const x = ((2 * i) / (points - 1) - 1) * BEND_RANGE;
    const beyond = Math.abs(x) - BEND_FROM;
    if (beyond <= 0) return x;
    const room = BEND_TO - BEND_FROM;
    return Math.sign(x) * (BEND_FROM + room * Math.tanh(beyond / room));
  });
}

export class Loudness {
  readonly #element: HTMLMediaElement;
  readonly #gain_db: number;
  readonly #onstuck: () => void;
  #wanted: Volume = { volume: 1, muted: false };
  #context: AudioContext | null = null;
  #output: GainNode | null = null;
  #closed = false;

  /** `onstuck`: the browser stopped Web Audio and does not start it again; only another element can be heard. */
  constructor(element: HTMLMediaElement, gain_db: number, onstuck: () => void) {
    this.#element = element;
    this.#gain_db = Math.abs(gain_db) < WORTH_DB ? 0 : gain_db;
    this.#onstuck = onstuck;
    this.set(this.#wanted);
  }

  /** Whether the element's sound has been led through Web Audio; that cannot be undone. */
  get connected(): boolean {
    return this.#output !== null;
  }

  set({ volume, muted }: Volume): void {
    this.#wanted = { volume, muted };
    if (this.#output !== null) {
      this.#output.gain.value = muted ? 0 : volume;
      return;
    }
    this.#element.volume = volume * Math.min(1, fromDb(this.#gain_db));
    this.#element.muted = muted;
  }

  /** To be called in the turn of a touch or a key. */
  touched(): void {
    if (this.#gain_db <= 0 || this.#closed) return;
    if (this.#context === null) {
      this.#context = new AudioContext({ latencyHint: "playback" });
      this.#context.onstatechange = () => this.#stateChanged();
    }
    if (this.#context.state === "running") this.#connect();
    else void this.#context.resume().then(() => this.#connect());
  }

  close(): void {
    this.#closed = true;
    void this.#context?.close();
  }

  #connect(): void {
    if (this.#closed || this.#output !== null || this.#context?.state !== "running") return;
    this.#output = new GainNode(this.#context);
    this.#output.connect(this.#context.destination);
    const source = this.#context.createMediaElementSource(this.#element);
    source.connect(limited(this.#context, this.#gain_db, this.#output));
    this.#element.volume = 1;
    this.#element.muted = false;
    this.set(this.#wanted);
  }

  #stateChanged(): void {
    const context = this.#context;
    if (this.#closed || this.#output === null || context === null || context.state === "running") return;
    // An element that feeds a context that stands still stands still itself.
    const stuck = setTimeout(() => {
      if (!this.#closed && context.state !== "running") this.#onstuck();
    }, 1_000);
    void context.resume().then(() => clearTimeout(stuck));
  }
}

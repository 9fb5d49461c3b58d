/** The sounds of the terminal, made here so that no file must be there first. */

/** Frequency in Hz, when and how long in seconds. */
interface Tone {
  frequency_hz: number;
  at_s: number;
  length_s: number;
}

/** A third down, soft: somebody is called on. */
export const CALLED: readonly Tone[] = [
  { frequency_hz: 880, at_s: 0, length_s: 0.5 },
  { frequency_hz: 698.46, at_s: 0.28, length_s: 0.8 },
];

/** What the microphone listens for: frequencies that neither mains hum nor a voice's fundamental has. */
export const TEST: readonly Tone[] = [
  { frequency_hz: 1046.5, at_s: 0, length_s: 0.45 },
  { frequency_hz: 1318.5, at_s: 0.45, length_s: 0.45 },
  { frequency_hz: 1568, at_s: 0.9, length_s: 0.6 },
];

const PEAK = 0.35;
const ATTACK_S = 0.015;

export function lengthOf_s(tones: readonly Tone[]): number {
  return Math.max(...tones.map((tone) => tone.at_s + tone.length_s));
}

/** Play tones; `volume` is 0 to 100. Returns when the last one begins to be heard, in the time of the context. */
export function play(context: AudioContext, tones: readonly Tone[], volume: number): void {
  const start_s = context.currentTime + 0.05;
  for (const { frequency_hz, at_s, length_s } of tones) {
    const oscillator = new OscillatorNode(context, { frequency: frequency_hz });
    const gain = new GainNode(context, { gain: 0 });
    const begin_s = start_s + at_s;
    gain.gain.setValueAtTime(0, begin_s);
    gain.gain.linearRampToValueAtTime((PEAK * volume) / 100, begin_s + ATTACK_S);
    gain.gain.exponentialRampToValueAtTime(0.0005, begin_s + length_s);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(begin_s);
    oscillator.stop(begin_s + length_s);
  }
}

/**
 * How far the tones stand above what is beside them, in dB, in a spectrum of `magnitudes_db` whose bins are `bin_hz`
 * wide: the loudest bin within 30 Hz of each tone against the median of those from 300 Hz to 4 kHz. Pure.
 */
export function prominence_db(magnitudes_db: Float32Array, bin_hz: number, tones: readonly Tone[]): number {
  const from = Math.round(300 / bin_hz);
  const to = Math.min(magnitudes_db.length, Math.round(4000 / bin_hz));
  const band = Array.from(magnitudes_db.subarray(from, to)).sort((a, b) => a - b);
  const floor_db = band[band.length >> 1] ?? -Infinity;
  const reach = Math.ceil(30 / bin_hz);
  const peaks = tones.map(({ frequency_hz }) => {
    const centre = Math.round(frequency_hz / bin_hz);
    return Math.max(...magnitudes_db.subarray(Math.max(0, centre - reach), centre + reach + 1));
  });
  const loudest_db = Math.max(...peaks);
  return Number.isFinite(floor_db) ? loudest_db - floor_db : Number.isFinite(loudest_db) ? 60 : 0;
}

/** Above the noise of a classroom, and of its echo canceller. */
export const HEARD_DB = 20;

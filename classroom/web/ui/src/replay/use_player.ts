/** The player as the page has it: opened on two elements, opened again at the same place when what it plays has changed. */

import { onBeforeUnmount, ref, shallowRef, watch, type Ref, type ShallowRef } from "vue";
import { Loudness } from "./loudness";
import type { ReplayPlan } from "./plan";
import { ReplayPlayer, type PlayerView } from "./player";
import type { Settings } from "./settings";

export interface PlayerSource {
  plan: () => ReplayPlan;
  /** Opens the media. */
  token: () => string;
  gain_db: () => number;
  from_s: number;
}

type Element = Readonly<ShallowRef<HTMLVideoElement | null>>;

export function usePlayer(source: PlayerSource, main: Element, slides: Element, settings: Ref<Settings>) {
  const view = shallowRef<PlayerView | null>(null);
  const failure = ref<string | null>(null);
  /** Counts the elements that sound got stuck in: each is replaced by a new one. */
  const generation = ref(0);
  let player: ReplayPlayer | null = null;
  let loudness: Loudness | null = null;
  let stuck = false;

  function open(): void {
    if (!main.value || !slides.value) return;
    const { from_s, playing } = close();
    player = new ReplayPlayer(
      source.plan(),
      { main: main.value, slides: slides.value },
      {
        token: source.token(),
        from_s,
        onview: (next) => (view.value = next),
        onfailed: (detail) => (failure.value = detail),
      },
    );
    player.rate = settings.value.speed;
    if (playing) player.play();
  }

  function close(): { from_s: number; playing: boolean } {
    const was = { from_s: player?.position_s ?? source.from_s, playing: player?.playing ?? false };
    player?.close();
    player = null;
    return was;
  }

  function listen(): void {
    if (!main.value) return;
    loudness?.close();
    loudness = new Loudness(main.value, stuck ? 0 : source.gain_db(), () => {
      stuck = true;
      generation.value += 1;
    });
    loudness.set(settings.value);
  }

  watch(
    main,
    () => {
      listen();
      open();
    },
    { flush: "post" },
  );
  watch(
    () => source.gain_db(),
    () => {
      if (loudness?.connected !== true) listen();
    },
  );
  watch(source.plan, (plan, before) => {
    if (plan.main.url === before.main.url && plan.slides?.url === before.slides?.url) player?.extend(plan);
    else open();
  });
  watch(source.token, () => {
    if (failure.value !== null) open();
  });
  watch(settings, (now, before) => {
    loudness?.set(now);
    if (player && now.speed !== before.speed) player.rate = now.speed;
  });
  onBeforeUnmount(() => {
    close();
    loudness?.close();
  });

  return {
    view,
    failure,
    generation,
    toggle: (): void => {
      loudness?.touched();
      if (player?.playing) player.pause();
      else player?.play();
    },
    seek: (position_s: number): void => player?.seek(position_s),
    seekBy: (by_s: number): void => player?.seekBy(by_s),
    step: (frames: 1 | -1): void => player?.step(frames),
  };
}

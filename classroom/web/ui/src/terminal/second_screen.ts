/** The second screen of a terminal: another window of this page, opened on it and kept open. */

import { onScopeDispose, ref, type Ref } from "vue";

/** Window Management (W3C draft), which TypeScript does not know yet. */
interface ScreenDetailed extends Screen {
  availLeft: number;
  availTop: number;
}

interface ScreenDetails extends EventTarget {
  screens: readonly ScreenDetailed[];
  currentScreen: ScreenDetailed;
}

declare global {
  interface Window {
    getScreenDetails?: () => Promise<ScreenDetails>;
  }
}

const NAME = "terminal-slides";
const LOOK_MS = 2_000;

/**
 * Whether the slides have a screen of their own now. With one screen, or a browser that may not open windows on others
 * (docs/terminal.md), it stays false and everything is shown on this one.
 */
export function useSecondScreen(wanted: boolean): Readonly<Ref<boolean>> {
  const open = ref(false);
  if (!wanted) return open;
  let slides: Window | null = null;
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function look(): Promise<void> {
    const details = await window.getScreenDetails?.().catch(() => null);
    if (stopped) return;
    const other = details?.screens.find((screen) => screen !== details.currentScreen);
    if (other === undefined) {
      slides?.close();
      slides = null;
    } else if (slides === null || slides.closed) {
      slides = openOn(other);
    }
    open.value = slides !== null && !slides.closed;
    timer = setTimeout(() => void look(), LOOK_MS);
  }
  void look();
  onScopeDispose(() => {
    stopped = true;
    clearTimeout(timer);
  });
  return open;
}

/** A window of this name that an earlier load of this page has opened is used again. */
function openOn(screen: ScreenDetailed): Window | null {
  const { availLeft: left, availTop: top, availWidth: width, availHeight: height } = screen;
  const place = `popup,fullscreen,left=${left},top=${top},width=${width},height=${height}`;
  return window.open(`/terminal?screen=slides${location.hash}`, NAME, place);
}

/** In the window of the second screen: without its frame, where policy allows that without a touch. */
export function fillScreen(): void {
  if (window.opener !== null) document.documentElement.requestFullscreen().catch(() => undefined);
}

/** What is wrong with this terminal, in words for the classroom and for the operator. */

import type { Check, Checks, LinkCheck } from "../protocol/device_messages.gen";
import type { DeviceState } from "../state/devices";

export type Part = "camera" | "microphone" | "loudspeaker" | "link";

/** `null`: not known, not yet or not to be found out. */
export interface Finding {
  ok: boolean | null;
  /** One of the sentences below. */
  say: keyof typeof SENTENCES;
}

/** Chinese and English. Faults say what to do. */
export const SENTENCES = {
  testing: ["正在检查…", "Testing…"],
  camera_ok: ["摄像头正常", "The camera works"],
  camera_none: ["没有找到摄像头，请检查 USB 线", "No camera found: check its USB cable"],
  camera_denied: [
    "浏览器没有允许使用摄像头，请联系管理员",
    "The browser does not allow the camera: tell the operator",
  ],
  camera_busy: [
    "摄像头打不开，可能被别的程序占用，请重启这台电脑",
    "The camera does not open, another program may use it: restart this computer",
  ],
  camera_dark: ["摄像头画面是黑的，请打开镜头盖", "The camera's picture is black: open its cover"],
  microphone_ok: ["话筒正常", "The microphone works"],
  microphone_none: ["没有找到话筒，请检查连接线", "No microphone found: check its cable"],
  microphone_denied: [
    "浏览器没有允许使用话筒，请联系管理员",
    "The browser does not allow the microphone: tell the operator",
  ],
  microphone_busy: [
    "话筒打不开，可能被别的程序占用，请重启这台电脑",
    "The microphone does not open, another program may use it: restart this computer",
  ],
  microphone_silent: [
    "话筒没有声音，请检查开关是否打开",
    "The microphone is silent: check that it is switched on",
  ],
  insecure: [
    "地址不是 https，浏览器不给用摄像头和话筒，请联系管理员",
    "The address is not https, so the browser gives no camera and microphone: tell the operator",
  ],
  loudspeaker_ok: ["音箱正常，话筒听到了", "The loudspeaker works: the microphone heard it"],
  loudspeaker_unheard: [
    "没有听到提示音，请检查音箱是否打开、音量是否太小",
    "The chime was not heard: check that the loudspeaker is on and loud enough",
  ],
  loudspeaker_unsure: ["提示音已播放，请听一听有没有声音", "The chime was played: please listen for it"],
  loudspeaker_blocked: [
    "浏览器不许自动出声，请点一下屏幕",
    "The browser plays no sound by itself: tap the screen once",
  ],
  link_ok: ["网络正常", "The network works"],
  link_slow: ["网络较慢，上课时画面可能变小", "The network is slow: the picture may get smaller in class"],
  link_lost: ["连不上服务器，请检查网线", "The server cannot be reached: check the network cable"],
} as const satisfies Record<string, readonly [string, string]>;

export type Findings = Record<Part, Finding>;

export const UNTESTED: Findings = {
  camera: { ok: null, say: "testing" },
  microphone: { ok: null, say: "testing" },
  loudspeaker: { ok: null, say: "testing" },
  link: { ok: null, say: "testing" },
};

export function sentence(finding: Finding, language: string): string {
  return SENTENCES[finding.say][language === "en" ? 1 : 0];
}

/** One string for both: operators and classrooms need not speak the same language. */
export function bilingual(finding: Finding): string {
  const [chinese, english] = SENTENCES[finding.say];
  return `${chinese}。 ${english}.`;
}

export function faultsOf(findings: Findings): Finding[] {
  return Object.values(findings).filter((finding) => finding.ok === false);
}

/** What is to be said of a camera or microphone in this state. */
export function deviceFinding(part: "camera" | "microphone", state: DeviceState, secure: boolean): Finding {
  if (!secure) return { ok: false, say: "insecure" };
  switch (state) {
    case "ok":
      return { ok: true, say: `${part}_ok` };
    case "off":
    case "opening":
      return { ok: null, say: "testing" };
    default:
      return { ok: false, say: `${part}_${state}` };
  }
}

export interface LinkFigures {
  rtt_ms: number;
  down_kbps: number | null;
}

// The least at which picture and slides both come, if small (docs/adaptation.md), and where talk gets hard (G.114).
const SLOW_KBPS = 800;
const SLOW_RTT_MS = 400;

export function linkFinding(figures: LinkFigures | null): Finding {
  if (figures === null) return { ok: false, say: "link_lost" };
  const slow = figures.rtt_ms > SLOW_RTT_MS || (figures.down_kbps ?? Infinity) < SLOW_KBPS;
  return slow ? { ok: false, say: "link_slow" } : { ok: true, say: "link_ok" };
}

/** The findings as the server is told them; what is still being tested is not told. */
export function checksOf(findings: Findings, figures: LinkFigures | null): Checks {
  const told = (finding: Finding): Check | null =>
    finding.say === "testing" ? null : { ok: finding.ok, text: bilingual(finding) };
  const link = told(findings.link);
  const measured: LinkCheck | null = link && {
    ...link,
    rtt_ms: figures?.rtt_ms ?? null,
    down_kbps: figures?.down_kbps ?? null,
  };
  return {
    camera: told(findings.camera),
    slides: null,
    microphone: told(findings.microphone),
    loudspeaker: told(findings.loudspeaker),
    link: measured,
  };
}

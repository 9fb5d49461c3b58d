/** Line icons of 24×24 units, drawn here so that no page waits for a picture. */
export const ICONS = {
  camera:
    "M3 7.5A1.5 1.5 0 0 1 4.5 6h9A1.5 1.5 0 0 1 15 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16.5zM15 10.5l6-3v9l-6-3",
  slides: "M3 4h18M4.5 4v11h15V4M12 15v3M8 21l4-3 4 3M8.5 11.5l2.5-3 2 2 2.5-3",
  mic: "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3M6 11a6 6 0 0 0 12 0M12 17v4M8.5 21h7",
  screen: "M3 5h18v12H3zM9 21h6M12 17v4",
  classroom: "M3 5h18v11H3zM8 20h8M12 16v4M7 9h6M7 12h4",
  teacher: "M12 4a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7M5 20c.6-4 3.3-6 7-6s6.4 2 7 6",
  observer:
    "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12M12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6",
  device: "M4 7h16v8H4zM7 19h10M8 11h.01M12 11h4",
  play: "M7 4.5v15l12.5-7.5z",
  pause: "M8 5v14M16 5v14",
  again: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4.5h4.5",
  stop: "M6 6h12v12H6z",
  volume: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
  muted: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5",
  fullscreen: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  exitFullscreen: "M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5",
  both: "M3 6h11v12H3zM16.5 6H21v5.5h-4.5z",
  swap: "M4 8h13l-3-3M20 16H7l3 3",
  check: "M5 12.5l4.5 4.5L19 7.5",
  warning: "M12 4 2.5 20h19zM12 10v4.5M12 17.5h.01",
  language:
    "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18M3 12h18M12 3c2.5 2.5 3.8 5.5 3.8 9s-1.3 6.5-3.8 9c-2.5-2.5-3.8-5.5-3.8-9S9.5 5.5 12 3",
  latest: "M5 5l8 7-8 7zM18 5v14",
  off: "M5 12h14",
  hand: "M8 12.5V5.75a1.25 1.25 0 0 1 2.5 0V11M10.5 11V4.25a1.25 1.25 0 0 1 2.5 0V11M13 11V5.25a1.25 1.25 0 0 1 2.5 0V12M15.5 12V8.25a1.25 1.25 0 0 1 2.5 0V15a6 6 0 0 1-6 6h-.8a5 5 0 0 1-3.9-1.9L4 15.1a1.4 1.4 0 0 1 2.1-1.8L8 15",
  micOff:
    "M4 4l16 16M9 9v2a3 3 0 0 0 4.7 2.5M15 11V6a3 3 0 0 0-5.7-1.3M6 11a6 6 0 0 0 9.3 5M18 11a6 6 0 0 1-.5 2.4M12 17v4M8.5 21h7",
  network: "M3.5 9a13 13 0 0 1 17 0M6.5 12.5a8.5 8.5 0 0 1 11 0M9.5 16a4 4 0 0 1 5 0M12 19.2h.01",
  plus: "M12 5v14M5 12h14",
  arrow: "M5 12h14M13 6l6 6-6 6",
  back: "M19 12H5M11 6l-6 6 6 6",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  message: "M4 5h16v11h-9l-4.5 4v-4H4zM8 9.5h8M8 12.5h5",
  spotlight: "M3 5h18v14H3zM9 9.5l6 2.5-6 2.5z",
  people:
    "M9 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6M3 19c.4-3.6 2.7-5.5 6-5.5s5.6 1.9 6 5.5M16 5.5a2.7 2.7 0 0 1 0 5.3M17.5 14c2 .6 3.2 2.3 3.5 5",
  keyboard: "M3 6.5h18v11H3zM6.5 10h.01M10 10h.01M14 10h.01M17.5 10h.01M8 14h8",
  talk: "M3 5h11v8H8l-3 3v-3H3zM17 9h4v8h-2v3l-3-3h-6v-1",
} as const;

export type IconName = keyof typeof ICONS;

/** The icons of the staff's pages, which a terminal does not load. */

import { ICONS } from "./icons";

export const STAFF_ICONS = {
  ...ICONS,
  pip: "M3 5h18v14H3zM12.5 12H18v4h-5.500z",
  previous: "M19 6v12l-9-6zM6 6v12",
  next: "M5 6v12l9-6zM18 6v12",
  captions: "M3 5.5h18v13H3zM10.5 10.200a2.2 2.2 0 1 0 0 3.600M17.5 10.200a2.2 2.2 0 1 0 0 3.6",
  quality: "M4 7h9M17 7h3M4 12h3M11 12h9M4 17h11M19 17h1M15 5v4M9 10v4M17 15v4",
  share:
    "M9 15l6-6M10.5 6.500l1.2-1.200a4.6 4.6 0 0 1 6.5 6.500l-1.7 1.700M13.5 17.500l-1.2 1.200a4.6 4.6 0 0 1-6.5-6.500l1.7-1.7",
  keyboard: "M2.5 6h19v12h-19zM6 10h.01M9 10h.01M12 10h.01M15 10h.01M18 10h.01M8 14h8",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13M15.5 15.5 20.5 20.5",
  close: "M6 6l12 12M18 6 6 18",
  hand: "M8 12V6.200a1.4 1.4 0 0 1 2.8 0V11M10.8 10.500V4.700a1.4 1.4 0 0 1 2.8 0v5.800M13.6 10.800V6.200a1.4 1.4 0 0 1 2.8 0V15c0 3.5-2 6-5.4 6-3 0-4.2-1.4-6.6-5.8-.9-1.7 1.2-2.8 2.2-1.400L8 15.2",
  people:
    "M9 5a3.3 3.3 0 1 1 0 6.600A3.3 3.3 0 0 1 9 5M3 19c.5-3.4 2.6-5 6-5s5.5 1.6 6 5M15.5 5.500a3 3 0 0 1 0 5.700M17.5 14.300c2 .6 3.2 2.1 3.5 4.7",
  title: "M5 6V4.500h14V6M12 4.500v15M9 19.500h6",
  filter: "M3.5 5.500h17l-6.5 7.500v6l-4-2v-4z",
  edit: "M4 20l1-4.500L16 4.500l3.5 3.5-11 11zM14 6.500l3.5 3.5",
  list: "M4 6h3v3H4zM4 15h3v3H4zM11 7.500h9M11 16.500h9",
  info: "M12 3.500a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17M12 11v5.500M12 7.800h.01",
  school: "M4.5 20V10.500L12 4.500l7.5 6V20M2.5 20h19M9.5 20v-5.500h5V20",
  calendar: "M4 6h16v14H4zM4 10.500h16M8.5 3.500v4M15.5 3.500v4M8 14h2M14 14h2M8 17h2",
  clock: "M12 3.500a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17M12 7.500V12l3 2",
} as const;

export type StaffIconName = keyof typeof STAFF_ICONS;

import type { Texts } from "./index";

const en: Texts = {
  product: "Lianti Classroom",
  tagline: "One lesson, many classrooms",
  language: { other: "中文" },
  title: {
    home: "Lianti Classroom",
    class: "Class",
    teacher: "Teacher",
    terminal: "Classroom display",
    replay: "Replay",
    library: "Library",
    signin: "Sign in",
    admin: "Administration",
    missing: "Page not found",
  },
  label: { camera: "Teacher", slides: "Slides", screen: "Screen", mic: "Sound" },
  role: {
    teacher: "Teacher",
    classroom: "Classroom",
    capture: "Capture agent",
    observer: "Observer",
    recorder: "Recorder",
    node: "Relay node",
  },
  refused: {
    unauthorized: {
      title: "This address is no longer valid",
      text: "The address is wrong or has expired. Ask your operator for a new one and open that.",
    },
    forbidden: {
      title: "This address cannot be used here",
      text: "The address belongs to another lesson or may not do this. Please check it.",
    },
    unknown_lesson: {
      title: "Lesson not found",
      text: "The server does not know this lesson. Check the address, or wait until the teacher opens it.",
    },
    replaced: {
      title: "Too many pages are open",
      text: "More pages of this account or device are open than may be, and this one was the oldest. Close those that nobody needs, then reload this one.",
    },
    again: "Trying again by itself",
    detail: "The server says: {detail}",
  },
  connection: {
    connecting: "Connecting to the server…",
    lost: "The connection to the server is lost, reconnecting…",
    good: "Good signal",
    fair: "Fair signal",
    poor: "Weak signal",
    none: "No signal",
    figures: "{rate} Mbit/s · loss {loss}% · round trip {rtt} ms",
  },
  home: {
    lead: "A teacher in town starts a lesson, village classrooms take part at the same moment, and afterwards it is there for everybody.",
    doors: "Where to go",
    signIn: {
      title: "Sign in",
      text: "Teachers see their day and start a lesson with one press; operators see every school.",
    },
    terminal: {
      title: "Classroom display",
      text: "Open this page on the big screen of a village classroom; it joins by itself.",
    },
    library: {
      title: "Library",
      text: "Every lesson that was recorded: slides and teacher side by side, in sync.",
    },
  },
  missing: {
    title: "No such page",
    text: "There is nothing at this address. Please check it, or go to the start page.",
    home: "Start page",
  },
  noToken: {
    title: "The address is not complete",
    text: "Please open the complete address that your operator gave you; it ends with {sample}.",
  },
  terminal: {
    crashed: "Something went wrong on this page; opening it again…",
  },
  teacher: { source: { stopped: "Stopped" } },
};

export default en;

import type { AuditTexts } from "./audit.zh-CN";

const en: AuditTexts = {
  lead: "Who did what and when. Nobody can change it.",
  about: "About",
  from: "From",
  to: "To",
  search: "Search by person",
  at: "When",
  who: "Who",
  did: "Did",
  what: "To what",
  address: "From",
  thing: {
    session: "sign-in",
    account: "account",
    device: "terminal",
    timetable: "timetable entry",
    plan: "plan",
    region: "import",
    districts: "district",
    schools: "school",
    classrooms: "classroom",
    classes: "class",
    people: "person",
    terms: "term",
    calendar: "calendar day",
    bells: "bells",
    subscriptions: "subscription",
  },
  verb: { add: "Added: {thing}", change: "Changed: {thing}", remove: "Deleted: {thing}" },
  said: {
    session: {
      begin: "Signed in",
      end: "Signed out",
      password: "Changed the password",
      refused: "Refused: wrong password",
      locked: "Refused: locked for now",
      disabled: "Refused: disabled",
    },
    account: {
      reset_password: "Reset a password",
      allow_binding: "Let the identity provider be bound",
      bind: "Bound to the identity provider by signing in",
      unbind: "Unbound from the identity provider",
    },
    device: {
      pair: "Paired a terminal",
      revoke: "Unpaired a terminal",
      volume: "Set the volume of a terminal",
    },
    plan: {
      cancel: "Cancelled a lesson",
      restore: "Restored a lesson",
      add: "Added an extra lesson",
      extra: "Began an extra lesson",
      change: "Changed a lesson",
    },
    region: { import: "Imported data", export: "Exported data" },
  },
};

export default en;

import type { SignInTexts } from "./index";

const en: SignInTexts = {
  signin: {
    title: "Sign in",
    lead: "For teachers and for the administrators of schools and districts. A classroom display needs no sign-in: it is paired once.",
    login: "Login",
    loginHint: "Usually your staff number",
    password: "Password",
    show: "Show the password",
    hide: "Hide the password",
    submit: "Sign in",
    busy: "Signing in…",
    or: "or",
    oidc: "Sign in with {name}",
    forgot: "Forgotten your password? An administrator of your school or district gives you a new one.",
    opening: "Opening…",
    unreachable: "The server did not answer. Check the network and try again.",
    wait: "You can try again in {time}",
    retry: "Try again",
    change: {
      title: "Choose your own password",
      text: "Welcome, {name}. The one-time password works only this once; replace it by one that only you know.",
      old: "One-time password",
      next: "New password",
      again: "New password once more",
      length: "At least 10 characters; a few words in a row are easy to remember",
      same: "Both are the same",
      submit: "Save and go on",
      busy: "Saving…",
      other: "Use another account",
    },
  },
};

export default en;

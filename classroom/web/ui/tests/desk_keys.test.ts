import { describe, expect, it } from "vitest";
import { actionOf, KEY_SHEET, type Key } from "../src/class/keys";

const key = (key: string, code = "", fields: Partial<Key> = {}): Key => ({
  key,
  code,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  repeat: false,
  ...fields,
});

describe("actionOf", () => {
  it("calls on the classrooms by their place, from either block of digits", () => {
    expect(actionOf(key("1", "Digit1"))).toEqual({ do: "callOn", place: 1 });
    expect(actionOf(key("9", "Numpad9"))).toEqual({ do: "callOn", place: 9 });
    expect(actionOf(key("4"))).toEqual({ do: "callOn", place: 4 }); // a remote control without codes
  });

  it("only ever silences with 0", () => {
    expect(actionOf(key("0", "Digit0"))).toEqual({ do: "muteAll" });
  });

  it("knows letters whatever the shift, and the question mark of a Chinese input method", () => {
    expect(actionOf(key("T"))).toEqual({ do: "toggleMode" });
    expect(actionOf(key("h"))).toEqual({ do: "nextHand" });
    expect(actionOf(key("？"))).toEqual({ do: "help" });
  });

  it("leaves to the browser what is the browser's, and holds a held key for one press", () => {
    expect(actionOf(key("1", "Digit1", { ctrlKey: true }))).toBeNull();
    expect(actionOf(key("t", "KeyT", { metaKey: true }))).toBeNull();
    expect(actionOf(key("1", "Digit1", { repeat: true }))).toBeNull();
    expect(actionOf(key(" ", "Space"))).toBeNull();
    expect(actionOf(key("Enter", "Enter"))).toBeNull();
  });

  it("says on its sheet what the keys do", () => {
    for (const [first, , action] of KEY_SHEET) {
      expect(actionOf(key(first === "Esc" ? "Escape" : first))?.do).toBe(action);
    }
  });
});

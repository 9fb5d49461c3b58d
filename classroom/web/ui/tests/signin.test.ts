import { describe, expect, it } from "vitest";
import { told } from "../src/i18n/told";
import { nextPath, signInPath } from "../src/signin/next_path";

describe("where one goes after signing in", () => {
  it.each(["/", "/admin/terminals?code=7F3K-92MP", "/class/e1"])("is %s", (path) =>
    expect(nextPath(path)).toBe(path),
  );

  it.each([
    "https://a.example/",
    "//a.example",
    "/\\a.example",
    "/signin?next=/",
    "/a\nb",
    "javascript:1",
    null,
    ["/a"],
  ])("is never %s", (path) => expect(nextPath(path)).toBe("/"));

  it("is kept in the address of the page", () => {
    expect(signInPath("/")).toBe("/signin");
    const kept = new URLSearchParams(signInPath("/admin/terminals?code=7F3K-92MP").split("?")[1]).get("next");
    expect(nextPath(kept)).toBe("/admin/terminals?code=7F3K-92MP");
  });
});

describe("what the server says", () => {
  const both = "密码连续输错太多次，请 15 分钟后再试。 Too many wrong passwords; try again in 15 min.";
  it("is shown in one language", () => {
    expect(told(both, "zh-CN")).toBe("密码连续输错太多次，请 15 分钟后再试。");
    expect(told(both, "en")).toBe("Too many wrong passwords; try again in 15 min.");
  });
  it("may begin with what is quoted", () => {
    const detail = "“学科”不对：不能为空。 subject is wrong: it must not be empty.";
    expect(told(detail, "en")).toBe("subject is wrong: it must not be empty.");
  });
  it("is shown as it is when it is in one language only", () => {
    expect(told("Not Found", "zh-CN")).toBe("Not Found");
  });
});

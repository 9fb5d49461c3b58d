"""Whether a page can be worked by a finger and by the keys alone, measured as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

TARGET_PX = 48  # at arm's length, before a panel
# All that a page offers now: shown, not disabled, and not behind a modal dialog. Links within a text are part of it.
_OFFERED = """() => {
  const within = [...document.querySelectorAll("dialog[open]")].find(one => one.matches(":modal")) ?? document.body;
  return [...within.querySelectorAll("a[href], button, input, select, textarea, [tabindex]")]
    .filter(one => one.tabIndex >= 0 && !one.disabled && !one.closest("[inert]"))
    .filter(one => one.checkVisibility({ visibilityProperty: true }) && one.getBoundingClientRect().width > 0);
}"""
_TOLD = """one => `<${one.localName}> ${(one.ariaLabel ?? one.innerText ?? "").slice(0, 40)} .${one.className}`"""
_SMALL = f"""least_px => ({_OFFERED})()
  .filter(one => one.matches("a, button, input, select, textarea") && getComputedStyle(one).display !== "inline")
  .map(one => [one, one.closest("label") ?? one])
  .map(([one, hit]) => [one, hit.getBoundingClientRect()])
  .filter(([, {{ width, height }}]) => Math.min(width, height) < least_px - 0.5)
  .map(([one, {{ width, height }}]) => `${{Math.round(width)}} × ${{Math.round(height)}} px: ${{({_TOLD})(one)}}`)"""
# Begins at the top, and notes what gets the focus and whether that can be seen: on it, or on what is drawn around it.
_BEGIN = f"""() => {{
  const rings = one => {{
    const {{ outlineStyle, outlineWidth }} = getComputedStyle(one);
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  }};
  const seen = one => {{
    for (let near = one, depth = 0; near !== null && depth < 4; near = near.parentElement, depth++) {{
      if (rings(near)) return true;
    }}
    return false;
  }};
  window.walk = {{ reached: new Set(), unseen: [] }};
  window.walk.note = ({{ target }}) => {{
    if (!walk.reached.has(target) && !seen(target)) walk.unseen.push(({_TOLD})(target));
    walk.reached.add(target);
  }};
  addEventListener("focusin", walk.note);
  const top = document.createElement("i");
  top.tabIndex = -1;
  const modal = [...document.querySelectorAll("dialog[open]")].find(one => one.matches(":modal"));
  (modal ?? document.body).prepend(top);
  top.focus();
  walk.reached.clear();
  walk.unseen.length = 0;
  window.walk.before = top;
  return ({_OFFERED})().length;
}}"""
_END = f"""() => {{
  removeEventListener("focusin", walk.note);
  walk.before.remove();
  const missed = ({_OFFERED})().filter(one => !walk.reached.has(one) && !one.matches("[type=radio]"));
  const forced = ({_OFFERED})().filter(one => one.tabIndex > 0);
  document.activeElement.blur();
  return [
    ...missed.map(one => `Tab does not reach ${{({_TOLD})(one)}}`),
    ...walk.unseen.map(one => `the focus cannot be seen on ${{one}}`),
    ...forced.map(one => `out of the order of the page: ${{({_TOLD})(one)}}`),
  ];
}}"""


# What the last row of a class must read, 8 m away, and what an adult may: shares of the screen's height.
CHILDREN, ADULTS = 1 / 25, 1 / 40
CHILDREN_READ = """.lesson h1, .time, .mic b, .hand b, .strip p:first-child, .headline, .standby h1, .verdict,
  .closing h1, .closing .text, .next h2, .next .left, .code"""
_TINY = f"""([children, adults, selector]) => [...document.querySelectorAll("body *")]
  .filter(one => [...one.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim() !== ""))
  .filter(one => one.checkVisibility({{ opacityProperty: true, visibilityProperty: true }}))
  .filter(one => one.getBoundingClientRect().width > 1 && !one.closest(".language, .visually-hidden"))
  .map(one => [one, parseFloat(getComputedStyle(one).fontSize) / innerHeight])
  .filter(([one, share]) => share < (one.matches(selector) ? children : adults) - 1e-3)
  .map(([one, share]) => `only ${{(share * 100).toFixed(1)}} % of the height: ${{({_TOLD})(one)}}`)"""


async def small_targets(page: Page, least_px: float = TARGET_PX) -> list[str]:
    """What is offered to a finger and is smaller than it should be, in words."""
    return list(await page.evaluate(_SMALL, least_px))


async def unreadable_from_afar(page: Page) -> list[str]:
    """What stands too small on a screen in a classroom, in words."""
    return list(await page.evaluate(_TINY, [CHILDREN, ADULTS, CHILDREN_READ]))


async def lost_by_tab(page: Page) -> list[str]:
    """What Tab does not reach from the top of the page, or reaches unseen, in words."""
    for _ in range(await page.evaluate(_BEGIN) + 8):  # boxes that scroll are stops, too
        await page.keyboard.press("Tab")
    return list(await page.evaluate(_END))

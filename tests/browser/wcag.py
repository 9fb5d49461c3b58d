"""What axe-core finds on a page against WCAG 2.2 AA, in words that lead to the place."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page

AXE = Path(__file__).parents[1] / "clients/node_modules/axe-core/axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
# What is shown while something newer has been asked for is dimmed, as long as the answer takes.
CURRENT = "() => document.querySelector('.stale') === null"
# What moves is looked at when it has come to rest: text that is half faded in has no contrast.
AT_REST = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  const ends = ({ effect }) => effect.getComputedTiming().iterations !== Infinity;
  await Promise.allSettled(document.getAnimations().filter(ends).map(animation => animation.finished));
  await frame();
}"""
RUN = "async tags => (await axe.run(document, { runOnly: tags, resultTypes: ['violations'] })).violations"


@cache
def _axe() -> str:
    return AXE.read_text()


async def violations(page: Page) -> list[str]:
    """Run all rules of levels A and AA on what a page shows now; one text for each place that breaks one."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(_axe())
    await page.wait_for_function(CURRENT)
    await page.evaluate(AT_REST)
    found: list[dict[str, Any]] = await page.evaluate(RUN, TAGS)
    return [_told(rule, node) for rule in found for node in rule["nodes"]]


def _told(rule: dict[str, Any], node: dict[str, Any]) -> str:
    why = "; ".join(check["message"] for check in node["any"] + node["all"] + node["none"])
    return f"{rule['id']} ({rule['impact']}) at {' '.join(map(str, node['target']))}: {why}\n  {node['html'][:160]}"

"""Pages without a script, for where the built ones cannot be: before trust, before a build, on the way back."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from aiohttp import web

# In the colours of the other pages (ui/src/theme/tokens.css).
STYLE = """
:root { color-scheme: light dark; --paper: #f6f4ee; --surface: #fff; --line: #dcd8cc; --ink: #1c2723;
  --brand: #1d5a49; --link: #143f33; --focus: #b06f00;
  font: 17px/1.7 "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { :root { --paper: #121a18; --surface: #1a2522; --line: #33433d; --ink: #edf1ee;
  --brand: #2f7d66; --link: #8fd0b9; --focus: #f2c46d; } }
body { max-width: 46rem; margin: 0 auto; padding: 8vh 1.25rem 4rem; background: var(--paper); color: var(--ink); }
h1, h2, h3 { margin: 2em 0 0.5em; font-weight: 600; line-height: 1.3; text-wrap: balance; }
h1 { margin-top: 0; font-size: 1.9rem; }
h2 { font-size: 1.3rem; }
h3 { font-size: 1.05rem; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
a.button { display: inline-flex; min-height: 48px; align-items: center; padding: 0 24px; border-radius: 14px;
  background: var(--brand); color: #fff; font-weight: 600; text-decoration: none; }
code, pre { font-size: 0.92em; font-family: ui-monospace, "Cascadia Mono", Consolas, "Noto Sans Mono CJK SC", monospace;
  overflow-wrap: anywhere; white-space: pre-wrap; }
pre { padding: 12px 16px; border: 1px solid var(--line); border-radius: 14px; background: var(--surface); }
li { margin: 0.3em 0; }
hr { margin: 3rem 0; border: 0; border-top: 1px solid var(--line); }
"""
STYLE_HASH = f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"


def plain_page(title: str, body: str, status: int = 200) -> web.Response:
    """A page with this title and this HTML in it."""
    text = (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )
    return web.Response(status=status, text=text, content_type="text/html", headers={"Cache-Control": "no-store"})

"""Pages without a script, for where the built ones cannot be: before trust, before a build, on the way back."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from aiohttp import web

STYLE = """
:root { color-scheme: light dark; font: 18px/1.7 system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; }
body { max-width: 44rem; margin: 0 auto; padding: 8vh 1.25rem 4rem; }
h1, h2, h3 { line-height: 1.3; margin: 2em 0 0.5em; }
h1 { margin-top: 0; }
h2 { font-size: 1.3rem; }
h3 { font-size: 1.05rem; }
a { color: #1668dc; }
@media (prefers-color-scheme: dark) { a { color: #7db3ff; } }
a.button { display: inline-block; padding: 0.6em 1.4em; border-radius: 0.5em; background: #1668dc; color: #fff; }
a.button { text-decoration: none; }
code, pre { font-size: 0.9em; overflow-wrap: anywhere; white-space: pre-wrap; }
pre { padding: 0.8em 1em; border: 1px solid #8886; border-radius: 0.5em; }
li { margin: 0.3em 0; }
hr { margin: 3rem 0; border: 0; border-top: 1px solid #8886; }
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

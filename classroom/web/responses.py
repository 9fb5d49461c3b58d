"""JSON answers, as all doors of the API give them."""

from __future__ import annotations

import json
from functools import partial

from aiohttp import web

NO_STORE = {"Cache-Control": "no-store"}

json_response = partial(web.json_response, dumps=partial(json.dumps, ensure_ascii=False), headers=NO_STORE)

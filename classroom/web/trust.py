"""How a terminal comes to trust this server: the certificate of its authority, and what to do with it, step by step."""

from __future__ import annotations

import asyncio
import base64
import json
from html import escape
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from classroom.web.context import CONTEXT
from classroom.web.local_ca import fingerprint
from classroom.web.origin import origin_of
from classroom.web.plain_page import plain_page
from classroom.web.problem import Refusal

FILE = "lianti-classroom-ca.crt"
_PAGE = Path(__file__).with_name("trust.html").read_text(encoding="utf-8")


def routes() -> list[web.RouteDef]:
    """The doors; they are for everybody: a certificate is no secret."""
    return [
        web.get("/trust", page),
        web.get("/trust/ca.crt", certificate),
        web.get("/trust/policy.json", policy),
    ]


async def page(request: web.Request) -> web.Response:
    """What to do on a PC, on a panel, in a browser."""
    ca = await asyncio.to_thread(_load, request.app[CONTEXT].local_ca)
    if ca is None:
        return plain_page("信任本服务器 Trusting this server", _NO_CA, status=404)
    told = {"print": escape(fingerprint(ca)), "origin": escape(origin_of(request)), "file": FILE}
    return plain_page("信任本服务器 Trusting this server", _PAGE.format_map(told))


async def certificate(request: web.Request) -> web.Response:
    """The certificate as Windows and Android take it (DER)."""
    ca = await _ca(request)
    headers = {"Content-Disposition": f'attachment; filename="{FILE}"', "Cache-Control": "no-cache"}
    return web.Response(body=ca.public_bytes(Encoding.DER), content_type="application/x-x509-ca-cert", headers=headers)


async def policy(request: web.Request) -> web.Response:
    """A policy file for Chromium and Chrome on terminals: trust, camera, microphone and sound without a question."""
    ca = await _ca(request)
    origin = origin_of(request)
    told = {
        "CACertificates": [base64.b64encode(ca.public_bytes(Encoding.DER)).decode()],
        "AudioCaptureAllowedUrls": [f"{origin}/"],
        "VideoCaptureAllowedUrls": [f"{origin}/"],
        # Two screens are two windows.
        "WindowManagementAllowedForUrls": [f"{origin}/"],
        "PopupsAllowedForUrls": [f"{origin}/"],
        "AutomaticFullscreenAllowedForUrls": [f"{origin}/"],
        "AutoplayAllowlist": [f"{origin}/"],
    }
    headers = {"Content-Disposition": 'attachment; filename="lianti-classroom.json"', "Cache-Control": "no-cache"}
    return web.Response(text=json.dumps(told, indent=2) + "\n", content_type="application/json", headers=headers)


async def _ca(request: web.Request) -> x509.Certificate:
    ca = await asyncio.to_thread(_load, request.app[CONTEXT].local_ca)
    if ca is None:
        raise Refusal(404, "not_found", "本服务器没有自己的 CA。 This server has no authority of its own.")
    return ca


def _load(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


_NO_CA = """<h1>信任本服务器</h1>
<p>本服务器没有自己的证书颁发机构（CA），没有需要安装的证书。地址栏显示“不安全”时，浏览器不会提供摄像头和麦克风：
请管理员在服务器上执行 <code>classroom tls</code>，再用它给出的 <code>--tls</code> 选项启动。</p>
<div lang="en"><h2>Trusting this server</h2>
<p>This server has no certificate authority of its own: there is nothing to install. Where the browser says “not secure”
it gives no camera and no microphone: an operator runs <code>classroom tls</code> on the server, then starts it with the
<code>--tls</code> option that it prints.</p></div>"""

"""Where a request comes from, and how it came: also when a proxy that we trust stands in between."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

Networks = tuple[IPv4Network | IPv6Network, ...]
PROXIES: web.AppKey[Networks] = web.AppKey("trusted proxies", tuple)


def address_of(request: web.BaseRequest) -> str:
    """The address of the client, for rate limits and the audit log: what the last proxy of ours was asked from."""
    address = request.remote or "?"
    for told in reversed(_told(request, "X-Forwarded-For")):
        if not _is_proxy(request, address):
            break
        address = told
    return address


def is_secure(request: web.BaseRequest) -> bool:
    """Whether the browser came over TLS."""
    told = _told(request, "X-Forwarded-Proto") if _is_proxy(request, request.remote or "?") else []
    return told[-1] == "https" if told else request.secure


def origin_of(request: web.BaseRequest) -> str:
    """The address of this server as the browser knows it, without a path."""
    return f"{'https' if is_secure(request) else 'http'}://{request.host}"


def _told(request: web.BaseRequest, header: str) -> list[str]:
    return [part.strip() for line in request.headers.getall(header, []) for part in line.split(",")]


def _is_proxy(request: web.BaseRequest, address: str) -> bool:
    proxies: Networks = request.app[PROXIES] if isinstance(request, web.Request) else ()
    if not proxies:
        return False
    try:
        ip: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:  # as a socket for both families tells it
        ip = ip.ipv4_mapped
    return any(ip in network for network in proxies)

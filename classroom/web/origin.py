"""Where a request comes from, and how it came: also when a proxy that we trust stands in between."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

Networks = tuple[IPv4Network | IPv6Network, ...]
PROXIES: web.AppKey[Networks] = web.AppKey("trusted proxies", tuple)


def address_of(request: web.BaseRequest) -> str:
    """The address of the client, for the audit log: what the last proxy of ours was asked from."""
    address = request.remote or "?"
    for told in reversed(_told(request, "X-Forwarded-For")):
        if not _is_proxy(request, address):
            break
        address = told
    return address


def network_of(request: web.BaseRequest) -> str:
    """Whom rate limits go by: an address of IPv4, a /64 of IPv6, of which one subscriber has every address."""
    address = address_of(request)
    ip = _ip(address)
    return str(IPv6Network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else str(ip or address)


def comes_from(request: web.BaseRequest, networks: Networks) -> bool:
    """Whether the client is in one of these networks."""
    ip = _ip(address_of(request))
    return ip is not None and any(ip in network for network in networks)


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
    ip = _ip(address)
    return ip is not None and any(ip in network for network in proxies)


def _ip(address: str) -> IPv4Address | IPv6Address | None:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None  # as a socket for both families tells it
    return mapped or ip

"""Runs a server: its media workers are started first, and everything else is loaded while they load themselves.

Of the time from a power cut to the next picture it is the greatest part that is ours.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import resource
import signal
import socket
import sys
import time
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from classroom.indexing import IndexProcess
from classroom.model import ClassroomError
from classroom.sfu.session import MediaSettings
from classroom.sfu.transport.ports import local_addresses
from classroom.sfu.workers.pool import WorkerPool
from classroom.web.secret import STATE, secret_of
from classroom.web.tls import Tls, reloading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from classroom.composition import Node
    from classroom.config import Settings
    from classroom.model import LessonId
    from classroom.sfu.core.events import MediaEvent
    from classroom.sfu.server import OnEvent

WORKER = (sys.executable, "-m", "classroom", "worker")
CLOSE_S = 3.0  # for answers that are under way when the server stops
BACKLOG = 256  # connections that wait to be taken: at the bell all terminals come
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class CannotServe(ClassroomError):
    """The server cannot start; the text says why and what to do."""


async def serve(settings: Settings, announce: Callable[[str], Any]) -> None:
    """Run the server until SIGTERM or SIGINT, then drain; ``announce`` gets what people should read.

    Raises ClassroomError when it cannot start.
    """
    if max(settings.media_port, settings.media_tcp_port or 0) + worker_count(settings) > 65536:
        raise CannotServe(
            "媒体端口不够：每个媒体进程用一个，从 --media-port(TCP：--media-tcp-port)起往上数。 "
            "There are not enough media ports: each worker takes one, "
            "from --media-port (TCP: --media-tcp-port) upwards."
        )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _allow_many_files()
    secret = await asyncio.to_thread(secret_of, settings)
    tls = None if settings.tls is None else await asyncio.to_thread(Tls, *settings.tls)
    with _only_one(settings.recordings / STATE), _listen(settings.host, settings.port) as listener:
        async with reloading(tls):
            await _run(settings, secret, listener, tls, stop, announce)


async def _run(
    settings: Settings,
    secret: str,
    listener: socket.socket,
    tls: Tls | None,
    stop: asyncio.Event,
    announce: Callable[[str], Any],
) -> None:
    node: Node | None = None

    def on_event(lesson: LessonId, event: MediaEvent) -> None:
        assert node is not None, "without it no lesson is open"
        node.service.on_event(lesson, event)

    media = worker_pool(settings, on_event)
    starting = asyncio.create_task(media.start(), name="media workers")
    try:
        make_node = await asyncio.to_thread(_load_node)
        await starting
        if stop.is_set():
            return
        node = make_node(settings, secret, media, media.record if settings.record else None)
        await _serve(node, settings, listener, tls, _addresses(settings, listener, media.ports), stop, announce)
    finally:
        starting.cancel()
        await asyncio.wait([starting])
        await media.close()
        if node is not None:
            await node.close()


async def _serve(
    node: Node,
    settings: Settings,
    listener: socket.socket,
    tls: Tls | None,
    addresses: str,
    stop: asyncio.Event,
    announce: Callable[[str], Any],
) -> None:
    from aiohttp import web  # which the node has loaded

    index = IndexProcess(settings) if settings.index else None
    runner = web.AppRunner(node.app, access_log=None, shutdown_timeout=CLOSE_S)
    await runner.setup()
    try:
        await node.open()
        if index is not None:
            index.start()
        await web.SockSite(runner, listener, ssl_context=None if tls is None else tls.context, backlog=BACKLOG).start()
        announce(addresses)
        greeting = asyncio.create_task(node.greet(announce), name="first account")
        try:
            await stop.wait()
        finally:
            greeting.cancel()
            await asyncio.wait([greeting])
        announce("正在停止，正在进行的课程会在重启后继续。 Stopping; live lessons go on after a restart.")
    finally:
        await node.service.drain()
        await runner.cleanup()
        if index is not None:
            await index.close()


def _load_node() -> type[Node]:
    from classroom.composition import Node

    return Node


def worker_count(settings: Settings) -> int:
    """How many SFU processes there are: one a core, and two at least, so that one can take over from the other."""
    return settings.workers or max(2, len(os.sched_getaffinity(0)))


def worker_pool(settings: Settings, on_event: OnEvent) -> WorkerPool:
    """Media in processes of their own, which record, too."""
    return WorkerPool(
        worker_count(settings),
        WORKER,
        MediaSettings(
            settings.media_host,
            settings.media_port,
            settings.media_address,
            tcp=settings.media_tcp,
            tcp_port=settings.media_tcp_port,
        ),
        time.time() - time.monotonic(),
        str(settings.recordings) if settings.record else None,
        on_event,
    )


def _allow_many_files() -> None:
    """Take all open files that the system grants.

    The usual 1024 are fewer than the connections we promise, and one too many takes the recorder its next segment.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """Two servers must not write to one data directory."""
    with (state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotServe(
                f"另一个服务器正在使用数据目录 {state.parent}，请先停止它，或换一个 --recordings。 "
                f"Another server uses the data directory {state.parent}; stop it, or choose another --recordings."
            ) from None
        yield


def _listen(host: str, port: int) -> socket.socket:
    """Bind the HTTP port; "0.0.0.0" and "::" mean every address of both families."""
    create = partial(socket.create_server, backlog=BACKLOG)
    everywhere = host in ("0.0.0.0", "::", "")
    try:
        if everywhere and socket.has_dualstack_ipv6():
            try:
                return create(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
            except OSError as error:
                if error.errno not in _NO_IPV6:
                    raise
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return create(("0.0.0.0" if everywhere else host, port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno or 0)  # the text of create_server goes on about its address
        if error.errno == errno.EADDRNOTAVAIL:
            raise CannotServe(
                f"本机没有地址 {host}，请换一个 --host。 This machine has no address {host}; choose another --host."
            ) from error
        raise CannotServe(
            f"端口 {port}/TCP 无法使用（{reason}），请换一个 --port。 "
            f"The port {port}/TCP cannot be used ({reason}); choose another --port."
        ) from error


def _addresses(settings: Settings, listener: socket.socket, media_ports: tuple[int, ...]) -> str:
    hosts = [f"[{host}]" if ":" in host else host for host in local_addresses(settings.host)]
    lines = [f"联体课堂 Lianti Classroom {version('lianti-classroom')}"]
    port = listener.getsockname()[1]
    scheme = "http" if settings.tls is None else "https"
    lines += [f"  网页 pages       {scheme}://{host}:{port}/" for host in hosts]
    lines.append(f"  媒体 media       {', '.join(map(str, media_ports))}/UDP{'+TCP' if settings.media_tcp else ''}")
    lines.append(f"  录像 recordings  {settings.recordings.resolve()}")
    return "\n".join(lines)

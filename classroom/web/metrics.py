"""``/metrics`` in the Prometheus text format."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as PrometheusCounter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from classroom.model import LessonState, RecordingState
from classroom.web.context import CONTEXT
from classroom.web.control import OPEN_SOCKETS
from classroom.web.media_metrics import MediaFamilies
from classroom.web.origin import comes_from
from classroom.web.problem import Refusal
from classroom.web.stats import observe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from prometheus_client.core import Metric

REQUESTS = web.AppKey("answered requests", PrometheusCounter)
REGISTRY = web.AppKey("metrics registry", CollectorRegistry)


class _Present(Collector):
    """What is the case at the moment of the scrape."""

    def __init__(self, app: web.Application) -> None:
        self._app = app

    def describe(self) -> list[Metric]:
        """Nothing: the names of the media figures are not known before the server runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the service and the media server."""
        context = self._app[CONTEXT]
        service = context.service
        held = service.lessons()
        lessons = GaugeMetricFamily("classroom_lessons", "Lessons that this node knows.", labels=["state"])
        states = Counter(lesson.state for lesson in held)
        for state in LessonState:
            lessons.add_metric([state], states[state])
        yield lessons
        recordings = GaugeMetricFamily("classroom_recordings", "Live lessons by recording state.", labels=["state"])
        recorded = Counter(lesson.recording for lesson in held if lesson.state is LessonState.LIVE)
        for recording in RecordingState:
            recordings.add_metric([recording], recorded[recording])
        yield recordings
        online = sum(lesson.online for lesson in held)
        yield GaugeMetricFamily("classroom_participants", "Participants that are online.", online)
        sessions = GaugeMetricFamily("classroom_sessions", "Open media sessions.", labels=["door"])
        sessions.add_metric(["whip"], service.sessions(publishing=True))
        sessions.add_metric(["whep"], service.sessions(publishing=False))
        yield sessions
        yield GaugeMetricFamily(
            "classroom_control_connections", "Open control WebSockets.", len(self._app[OPEN_SOCKETS])
        )
        for name, value in sorted(context.media_stats().items()):
            total = name.endswith("_total")
            family = CounterMetricFamily if total else GaugeMetricFamily
            text = name.removesuffix("_total").replace("_", " ")
            yield family(f"classroom_media_{name}", f"Media server: {text}.", value)


class _Media(Collector):
    """What was observed for this scrape."""

    def __init__(self, families: MediaFamilies) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """All of it."""
        return iter(self._families)


def set_up(app: web.Application) -> None:
    """Give an application its registry."""
    registry = CollectorRegistry()
    registry.register(_Present(app))
    app[REGISTRY] = registry
    app[REQUESTS] = PrometheusCounter(
        "classroom_http_requests", "Answered requests.", ["method", "route", "status"], registry=registry
    )


async def metrics(request: web.Request) -> web.Response:
    """The scrape: it costs something, and tells which lessons and devices there are, so it is not for everybody."""
    context = request.app[CONTEXT]
    if not comes_from(request, context.metrics_from):
        raise Refusal(
            403, "forbidden", "监控指标只对 metrics_from 中的地址开放。 Metrics are for the addresses of metrics_from."
        )
    live = [lesson for lesson in context.service.lessons() if lesson.state is LessonState.LIVE]
    seen = await observe(context, live)
    media = CollectorRegistry()
    media.register(_Media(MediaFamilies(stats for _, stats in seen)))
    body = generate_latest(request.app[REGISTRY]) + generate_latest(media)
    return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


@web.middleware
async def count_requests(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Count answers by route, never by address: the labels stay few."""
    response = await handler(request)
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    method = request.method if request.method in _METHODS else "other"
    request.app[REQUESTS].labels(method, route, str(response.status)).inc()
    return response


_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"})

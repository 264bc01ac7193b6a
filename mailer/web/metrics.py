"""What a monitoring system collects, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from litestar import Response, route
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from mailer.core.metrics import METRICS, Sample
from mailer.web import paper
from mailer.web.guard import at_this_machine
from mailer.web.public import READ, Product


class _Told(Collector):
    """Hands over figures that were just read."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        for each in METRICS:
            kind = CounterMetricFamily if each.kind == "counter" else GaugeMetricFamily
            family = kind(each.name, each.help, labels=each.labels)
            for sample in self._samples:
                if sample.metric == each.name:
                    family.add_metric(sample.labels, sample.value)
            if family.samples:
                yield family


def written(samples: Sequence[Sample]) -> bytes:
    """Figures in the text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(samples))
    return generate_latest(registry)


def let_in(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let pass who shows the token of the settings, and whoever is at this machine.

    Raises:
        PermissionDeniedException: neither.
    """
    scheme, _, shown = connection.headers.get("authorization", "").partition(" ")
    access = connection.app.state.mailer.settings.metrics
    if scheme.lower() != "bearer" or not access.admits(shown.strip()):
        at_this_machine(connection, handler)


@route("/metrics", http_method=READ, guards=[let_in])
async def metrics(mailer: Product) -> Response[bytes]:
    """Every figure that can be had now, with the database or without."""
    return Response(
        written(await mailer.meter.read()),
        headers={**paper.ALWAYS, "Cache-Control": "no-store", "Content-Type": CONTENT_TYPE_PLAIN_0_0_4},
    )


HANDLERS = (metrics,)

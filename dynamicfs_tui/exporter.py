"""Metrics for Prometheus: the text, and an HTTP endpoint that the operator asks for.

The only module that imports prometheus-client; commands load it when needed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dynamicfs_tui.metric_families import Counters, Family, families_of
from engine.errors import UsageError
from engine.observe.names import MetricKind
from engine.status.control import PoolControl
from engine.status.views import PoolView

_END_S: Final = 5.0


def prometheus_text(view: PoolView, counters: Counters) -> str:
    """Return all metrics in the text format 0.0.4."""
    return _text(_Snapshot(families_of(view, counters)))


def _text(collector: Collector) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


def _metric_of(family: Family) -> Metric:
    kind = CounterMetricFamily if family.kind is MetricKind.COUNTER else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, value in family.samples:
        metric.add_metric(labels, value)
    return metric


class _Snapshot(Collector):
    """Families that were taken already."""

    def __init__(self, families: tuple[Family, ...]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from map(_metric_of, self._families)


class _Live(Collector):
    """Families of the moment somebody asks."""

    def __init__(self, control: PoolControl) -> None:
        self._control = control

    def describe(self) -> list[Metric]:
        """Return nothing: registering must not ask the pool."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield from map(_metric_of, families_of(self._control.view(), self._control.metrics()))


class MetricsServer:
    """An HTTP endpoint at ``/metrics``. ``close`` once, from any thread.

    Every answer is taken anew from *control*; one that hangs holds up only who asked.
    """

    def __init__(self, control: PoolControl, address: str) -> None:
        """Listen at *address*, ``HOST:PORT``; port 0 is any free one.

        Raises:
            UsageError: the address cannot be listened at.
        """
        host, port = parse_address(address)
        registry = CollectorRegistry()
        registry.register(_Live(control))
        try:
            started: tuple[WSGIServer, threading.Thread] = start_http_server(
                port, addr=host, registry=registry
            )
        except OSError as error:
            raise UsageError(f"metrics cannot be served at {address}: {error.strerror}") from error
        self._server, self._thread = started

    @property
    def address(self) -> str:
        """Where it listens, the port resolved."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join(_END_S)
        self._server.server_close()


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port.

    >>> parse_address("127.0.0.1:9600"), parse_address("[::1]:9600")
    (('127.0.0.1', 9600), ('::1', 9600))

    Raises:
        UsageError: it is no ``HOST:PORT``.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 2**16):
        raise UsageError(f"{address!r} is no address such as 127.0.0.1:9600")
    return host.removeprefix("[").removesuffix("]"), int(port)

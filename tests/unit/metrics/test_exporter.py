"""What Prometheus is told: names, types, labels and values."""

from __future__ import annotations

import re
import urllib.request
from dataclasses import replace

import pytest

from dynamicfs_tui.exporter import MetricsServer, parse_address, prometheus_text
from dynamicfs_tui.metric_families import PREFIX, families_of
from engine.errors import UsageError
from engine.model.disk import DiskState
from engine.observe.names import NAMES
from engine.status.views import (
    DiskErrorsView,
    ExposureView,
    PoolView,
    ReconcileView,
    ScrubView,
    VerdictView,
)
from tests.control_stand_in import CannedControl, degraded_view, healthy_view
from tests.unit.metrics.prometheus_stand_in import Scrape, parse_text

REFERENCE = (
    "disk_reads_total", "disk_writes_total", "disk_read_bytes_total", "disk_write_bytes_total",
    "disk_errors_total", "rebuilds_attempted_total", "rebuilds_successful_total",
    "rebuilds_failed_total", "rebuild_bytes_written_total", "scrubs_completed_total",
    "scrub_issues_found_total", "scrub_repairs_attempted_total", "scrub_repairs_successful_total",
    "cache_hits_total", "cache_misses_total", "extents_healthy", "extents_degraded",
    "extents_unrecoverable",
)  # fmt: skip
"""The names that operators of the first system know."""


def scrape(view: PoolView, counters: dict[str, dict[str, float]] | None = None) -> Scrape:
    return parse_text(prometheus_text(view, counters or {}))


def value(found: Scrape, name: str, **labels: str) -> float:
    return found.samples[PREFIX + name][frozenset(labels.items())]


@pytest.mark.parametrize("name", REFERENCE)
def test_every_name_of_the_reference_is_exported_with_type_and_help(name: str) -> None:
    found = scrape(healthy_view())

    assert found.samples[PREFIX + name]
    assert found.types[PREFIX + name] == ("counter" if name.endswith("_total") else "gauge")
    assert found.helps[PREFIX + name].endswith(".")


def test_every_family_has_a_type_a_help_and_a_name_that_tells_its_kind() -> None:
    for family in families_of(healthy_view(), {}):
        assert re.fullmatch(r"dynamicfs_[a-z0-9_]+", family.name)
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert family.help.endswith("."), family.name


def test_no_name_is_exported_twice() -> None:
    names = [family.name for family in families_of(healthy_view(), {})]

    assert len(names) == len(set(names))


def test_counters_of_disks_have_the_disk_as_label_and_are_zero_before_the_first_event() -> None:
    found = scrape(healthy_view(), {"disk_reads_total": {"disk-1": 4.0}, "syncs_total": {"": 7.0}})

    assert value(found, "disk_reads_total", disk="disk-1") == 4.0
    assert value(found, "disk_reads_total", disk="disk-2") == 0.0
    assert value(found, "syncs_total") == 7.0


def test_every_counter_of_the_engine_is_exported() -> None:
    found = scrape(healthy_view())

    assert {PREFIX + name for name in NAMES} <= set(found.samples)


def test_the_state_of_a_disk_is_one_of_all_states() -> None:
    found = scrape(degraded_view())

    assert value(found, "disk_state", disk="disk-3", state="failed") == 1.0
    for disk in ("disk-1", "disk-2", "disk-3"):
        assert sum(value(found, "disk_state", disk=disk, state=str(one)) for one in DiskState) == 1


def test_exposure_is_told_by_losses_in_extents_and_bytes() -> None:
    bar = ExposureView(
        lost_extents=1, zero_extents=2, one_extents=3, more_extents=4, zero_bytes=512, may_fail=0
    )
    found = scrape(replace(healthy_view(), exposure=bar))

    counts = [value(found, "exposure_extents", losses=one) for one in ("lost", "0", "1", "2+")]
    assert counts == [1, 2, 3, 4]
    assert value(found, "exposure_bytes", losses="0") == 512
    assert value(found, "disks_may_fail") == 0
    assert value(found, "tolerance_disks") == 1


def test_progress_health_and_heartbeats_are_told() -> None:
    view = replace(
        healthy_view(),
        reconcile=ReconcileView(active=True, done_items=3, total_items=9, eta_s=60.0),
        scrub=ScrubView(running=True, done_fragments=5, finished_ns=2_000_000_000),
        heartbeats=(("probe", 1.5),),
        heartbeat_s=1.5,
        conditions=(healthy_view().verdict,),
    )
    found = scrape(view)

    assert value(found, "rebuild_extents", state="done") == 3
    assert value(found, "rebuild_extents", state="total") == 9
    assert value(found, "rebuild_eta_seconds") == 60
    assert value(found, "scrub_done_fragments") == 5
    assert value(found, "scrub_last_finished_timestamp_seconds") == 2
    assert value(found, "heartbeat_age_seconds", thread="probe") == 1.5
    assert value(found, "health", word="ok") == 1
    assert value(found, "health", word="degraded") == 0
    assert value(found, "condition", code="DFS-0000", subject="") == 1


def test_what_is_not_known_has_no_sample() -> None:
    found = scrape(healthy_view())

    for name in ("rebuild_eta_seconds", "scrub_last_finished_timestamp_seconds"):
        assert PREFIX + name not in found.samples
    assert PREFIX + "disk_temperature_celsius" not in found.samples


def test_two_sentences_about_the_same_thing_are_one_sample() -> None:
    twice = VerdictView(
        word=healthy_view().verdict.word, code="DFS-1001", sentence="a", action="", subject="d1"
    )

    found = scrape(replace(healthy_view(), conditions=(twice, replace(twice, sentence="b"))))

    assert value(found, "condition", code="DFS-1001", subject="d1") == 1


def test_a_name_with_quotes_and_lines_stays_one_label() -> None:
    strange = replace(healthy_view().disks[0], name='a"b\\c\nd')

    found = scrape(replace(healthy_view(), disks=(strange,)))

    assert value(found, "disk_present", disk='a\\"b\\\\c\\nd') == 1


def test_errors_by_kind_are_counters() -> None:
    disk = replace(healthy_view().disks[0], lifetime=DiskErrorsView(io=2, checksum=3, timeouts=4))

    found = scrape(replace(healthy_view(), disks=(disk,)))

    kinds = [
        value(found, "disk_lifetime_errors_total", disk="disk-1", kind=kind)
        for kind in ("io", "checksum", "timeout")
    ]
    assert kinds == [2, 3, 4]


def test_each_request_over_http_is_answered_with_what_is_so_now() -> None:
    control = CannedControl(healthy_view(), replace(healthy_view(), generation=8))
    server = MetricsServer(control, "127.0.0.1:0")
    try:
        answers = []
        for _ in range(2):
            with urllib.request.urlopen(f"http://{server.address}/metrics", timeout=20) as reply:
                assert reply.headers["Content-Type"].startswith("text/plain; version=")
                answers.append(parse_text(reply.read().decode()))
    finally:
        server.close()

    assert [value(one, "generation") for one in answers] == [7, 8]


def test_an_address_that_is_taken_is_one_sentence() -> None:
    server = MetricsServer(CannedControl(), "127.0.0.1:0")
    try:
        with pytest.raises(UsageError, match="cannot be served"):
            MetricsServer(CannedControl(), server.address)
    finally:
        server.close()


@pytest.mark.parametrize("address", ["", "9600", ":9600", "localhost", "host:port", "h:70000"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        parse_address(address)

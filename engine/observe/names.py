"""Every metric by name: its kind and what it means.

The names are exported with the prefix ``dynamicfs_``; code uses them without.
Metrics of a disk carry the disk's name as label, all others the empty label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class MetricKind(StrEnum):
    """A counter only grows while the process lives; a gauge is a last value."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class MetricName:
    """Kind and help text of one name. ``per_disk``: the label is a disk's name."""

    kind: MetricKind
    help: str
    per_disk: bool = False


def _disk(text: str) -> MetricName:
    return MetricName(MetricKind.COUNTER, text, per_disk=True)


def _counter(text: str) -> MetricName:
    return MetricName(MetricKind.COUNTER, text)


def _gauge(text: str) -> MetricName:
    return MetricName(MetricKind.GAUGE, text)


NAMES: Final[Mapping[str, MetricName]] = MappingProxyType(
    {
        "disk_reads_total": _disk("Read calls answered by the disk."),
        "disk_writes_total": _disk("Write calls answered by the disk."),
        "disk_read_bytes_total": _disk("Bytes read from the disk."),
        "disk_write_bytes_total": _disk("Bytes written to the disk."),
        "disk_errors_total": _disk("Calls the disk did not answer as asked."),
        "disk_corruptions_total": _disk("Fragments or pages that failed their checksum."),
        "rebuilds_attempted_total": _counter("Extents whose rebuild was started."),
        "rebuilds_successful_total": _counter("Extents whose rebuild was committed."),
        "rebuilds_failed_total": _counter("Extents whose rebuild failed."),
        "rebuild_bytes_written_total": _counter("Payload bytes written by rebuilds."),
        "scrubs_completed_total": _counter("Scrubs that reached their end."),
        "scrub_issues_found_total": _counter("Fragments a scrub found wanting."),
        "scrub_repairs_attempted_total": _counter("Repairs that scrub findings led to."),
        "scrub_repairs_successful_total": _counter("Such repairs that were committed."),
        "cache_hits_total": _counter("Pages served from the page cache."),
        "cache_misses_total": _counter("Pages that had to be fetched."),
        "extents_healthy": _gauge("Extents with all their fragments intact."),
        "extents_degraded": _gauge("Extents that miss fragments and can be read."),
        "extents_unrecoverable": _gauge("Extents with too few intact fragments."),
        "degraded_reads_total": _counter("Reads that had to reconstruct pages."),
        "fragments_replaced_total": _counter("Fragments whose first write failed."),
        "read_ops_total": _counter("Reads answered to programs."),
        "write_ops_total": _counter("Writes accepted from programs."),
        "read_bytes_total": _counter("Bytes read by programs."),
        "write_bytes_total": _counter("Bytes accepted from programs."),
        "namespace_ops_total": _counter("Changes of names and attributes."),
        "syncs_total": _counter("Calls of fsync and sync answered."),
        "groups_total": _counter("Transaction groups committed."),
        "write_lock_held_p99_seconds": _gauge(
            "What 99 of 100 holds of the metadata's write lock stayed below, to a factor of two."
        ),
        "dirty_bytes": _gauge("Bytes accepted and not yet durable."),
    }
)

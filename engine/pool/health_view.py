"""What the health keeper knows of a disk, put into its view."""

from __future__ import annotations

from dataclasses import replace

from engine.model.disk import DiskState
from engine.observe.error_window import ErrorKind
from engine.policy.capacity import reserve_bytes
from engine.pool.disk_set import DiskPresence
from engine.pool.disk_statistics import DiskMeter
from engine.pool.health_keeper import HealthKeeper
from engine.status.views import DiskErrorsView, DiskView

ERROR_KINDS = (ErrorKind.IO, ErrorKind.CHECKSUM, ErrorKind.TIMEOUT, ErrorKind.DENIED)
"""What counts as an error; REPAIRED is information."""


def with_health(
    view: DiskView, one: DiskPresence, health: HealthKeeper, meter: DiskMeter
) -> DiskView:
    """Return *view* with state, latency, errors and SMART of the disk *one*."""
    latency = health.latency(one.record.disk_id)
    smart = health.smart.report(one.record.path)
    return replace(
        view,
        spare=one.marks.spare,
        detached=one.marks.detached,
        state_since_ns=one.marks.since_ns,
        reason=_reason(one, health.problem(one.record.disk_id)),
        latency_p50_s=latency.p50_s,
        latency_p99_s=latency.p99_s,
        lifetime=DiskErrorsView(
            io=meter.total(ErrorKind.IO) + meter.total(ErrorKind.DENIED),
            checksum=meter.total(ErrorKind.CHECKSUM),
            timeouts=meter.total(ErrorKind.TIMEOUT),
            repaired=meter.total(ErrorKind.REPAIRED),
            recent=sum(meter.recent(kind) for kind in ERROR_KINDS),
        ),
        smart=smart.text,
        temperature_c=smart.temperature_c,
    )


def _reason(one: DiskPresence, problem: str) -> str:
    """Return why it is not healthy, not there or takes nothing; most telling first."""
    cause = one.marks.cause if one.committed is not DiskState.HEALTHY else ""
    full = one.present and one.capacity.free_bytes <= reserve_bytes(one.capacity.total_bytes)
    said = [one.reason, cause, problem, "full: it takes nothing new" if full else ""]
    return "; ".join(dict.fromkeys(text for text in said if text))

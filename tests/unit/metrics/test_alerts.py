"""Alert rules: each fires when it should, none on a pool that is well."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from dynamicfs_tui.alerts import ALERT_RULES, AlertRule, rules_text
from dynamicfs_tui.exporter import prometheus_text
from dynamicfs_tui.metric_families import PREFIX, families_of
from engine.status.catalog import MEANINGS
from engine.status.codes import Code
from engine.status.verdict import told
from engine.status.views import (
    CapacityView,
    ExposureView,
    HealthWord,
    PoolView,
    ReconcileView,
    ScrubView,
)
from engine.units import GIB
from tests.control_stand_in import healthy_view
from tests.unit.metrics.prometheus_stand_in import Prometheus, Scrape, names_in, parse_text

NOW_S = 1_700_000_000.0
DAY_S = 86400.0
WELL = replace(
    healthy_view(),
    scrub=ScrubView(finished_ns=round((NOW_S - DAY_S) * 1e9)),
    heartbeats=(("probe", 0.1),),
    heartbeat_s=0.1,
)


def scraped(view: PoolView, **counters: float) -> Scrape:
    by_disk = {name: {"disk-1": amount} for name, amount in counters.items()}
    plain = {name: {"": amount} for name, amount in counters.items() if "disk" not in name}
    return parse_text(prometheus_text(view, {**by_disk, **plain}))


def with_condition(code: Code) -> PoolView:
    return replace(WELL, conditions=(told(code, "It is so."),))


def seen(now: Scrape, before: Scrape | None = None) -> Prometheus:
    return Prometheus(now=now, before=before or scraped(WELL), time_s=NOW_S)


READ_ONLY = replace(WELL, writable=False)
SICK: dict[str, Prometheus] = {
    "DynamicFSDataLost": seen(scraped(replace(WELL, exposure=ExposureView(lost_extents=1)))),
    "DynamicFSNextLossMayCostData": seen(
        scraped(replace(WELL, exposure=ExposureView(zero_extents=1, may_fail=0)))
    ),
    "DynamicFSRefusesChanges": seen(scraped(READ_ONLY)),
    "DynamicFSEngineStuck": seen(scraped(replace(WELL, heartbeat_s=61.0))),
    "DynamicFSSilent": seen(Scrape({}, {}, {})),
    "DynamicFSMetadataDamaged": seen(scraped(with_condition(Code.METADATA_DAMAGED))),
    "DynamicFSPoolFull": seen(scraped(with_condition(Code.POOL_FULL))),
    "DynamicFSPoolNearlyFull": seen(
        scraped(
            replace(
                WELL,
                capacity=CapacityView(
                    total_bytes=100 * GIB, free_bytes=9 * GIB, used_bytes=91 * GIB
                ),
            )
        )
    ),
    "DynamicFSDiskFailed": seen(scraped(with_condition(Code.DISK_FAILED))),
    "DynamicFSDiskMissing": seen(scraped(with_condition(Code.DISK_MISSING))),
    "DynamicFSDrivePredictsFailure": seen(scraped(with_condition(Code.DISK_SMART))),
    "DynamicFSDiskErrorsGrow": seen(scraped(WELL, disk_errors_total=3.0)),
    "DynamicFSDegradedForLong": seen(scraped(WELL, extents_degraded=2.0)),
    "DynamicFSRebuildPending": seen(scraped(with_condition(Code.PENDING))),
    "DynamicFSRebuildFailing": seen(
        scraped(replace(WELL, reconcile=ReconcileView(failed_items=1)))
    ),
    "DynamicFSJournalDiskMissing": seen(scraped(with_condition(Code.JOURNALS_SHORT))),
    "DynamicFSNoCheckpoint": seen(scraped(with_condition(Code.CHECKPOINT_ROOM))),
    "DynamicFSScrubOverdue": seen(scraped(with_condition(Code.SCRUB_OVERDUE))),
    "DynamicFSAuditSilent": seen(scraped(with_condition(Code.AUDIT_SILENT))),
}

each_rule = pytest.mark.parametrize("rule", ALERT_RULES, ids=lambda rule: rule.name)


@each_rule
def test_a_rule_fires_on_the_pool_it_is_for(rule: AlertRule) -> None:
    assert SICK[rule.name].holds(rule.expression)


@each_rule
def test_no_rule_fires_on_a_pool_that_is_well(rule: AlertRule) -> None:
    assert not seen(scraped(WELL)).holds(rule.expression)


@each_rule
def test_a_rule_asks_only_for_metrics_that_are_exported(rule: AlertRule) -> None:
    exported = {family.name for family in families_of(WELL, {})}

    assert names_in(rule.expression)
    assert names_in(rule.expression) <= exported


def test_old_errors_that_do_not_grow_are_no_alarm() -> None:
    rule = next(one for one in ALERT_RULES if one.name == "DynamicFSDiskErrorsGrow")
    many = scraped(WELL, disk_errors_total=900.0)

    assert not seen(many, before=many).holds(rule.expression)
    assert seen(scraped(WELL, disk_errors_total=901.0), before=many).holds(rule.expression)


def test_a_pool_that_is_read_only_on_purpose_is_no_alarm() -> None:
    rule = next(one for one in ALERT_RULES if one.name == "DynamicFSRefusesChanges")
    wanted = replace(READ_ONLY, conditions=(told(Code.READ_ONLY_WANTED, "As asked."),))

    assert not seen(scraped(wanted)).holds(rule.expression)


def test_a_pool_without_redundancy_is_not_at_risk_by_that() -> None:
    rule = next(one for one in ALERT_RULES if one.name == "DynamicFSNextLossMayCostData")
    bare = replace(WELL, redundancy="copies:1", exposure=ExposureView(may_fail=0))

    assert not seen(scraped(bare)).holds(rule.expression)


def test_every_code_that_risks_data_has_a_rule() -> None:
    told_codes = {rule.code for rule in ALERT_RULES}
    risky = {
        code
        for code, meaning in MEANINGS.items()
        if meaning.word in (HealthWord.AT_RISK, HealthWord.DATA_LOSS)
    }
    # Two are told by the rule of another code: files of lost extents, and why nothing is
    # written; with two histories the pool is not open and nothing is exported at all.
    elsewhere = {Code.IRRECOVERABLE, Code.QUORUM_MISSING, Code.TWO_HISTORIES}

    assert risky - elsewhere <= told_codes


def test_the_file_has_each_rule_with_the_words_of_the_catalog() -> None:
    text = rules_text()

    assert text.startswith("groups:\n  - name: dynamicfs\n    rules:\n")
    rules = text.split("      - alert: ")[1:]
    assert len(rules) == len(ALERT_RULES)
    for printed, rule in zip(rules, ALERT_RULES, strict=True):
        fields = dict(re.findall(r"^ +(\w+): (.+)$", printed, re.MULTILINE))
        assert printed.startswith(f"{rule.name}\n")
        assert json.loads(fields["expr"]) == rule.expression
        assert fields["for"] == rule.wait
        assert re.fullmatch(r"\d+[mh]", rule.wait)
        assert fields["code"] == rule.code
        assert json.loads(fields["action"]) == MEANINGS[rule.code].action
        assert fields["severity"] == ("page" if rule.page else "ticket")


def test_names_of_rules_are_unique_and_their_prefix_is_that_of_the_exporter() -> None:
    names = [rule.name for rule in ALERT_RULES]

    assert len(set(names)) == len(names)
    assert PREFIX == "dynamicfs_"

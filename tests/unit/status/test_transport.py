"""Views and plain values through JSON and back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.status.transport import ForeignReplyError, Json, decode, encode
from engine.status.views import (
    DiskView,
    EventView,
    ExposureView,
    PoolView,
    ReconcileView,
    ScrubView,
)
from tests.control_stand_in import degraded_view, healthy_view, lost_view


def _through_text(value: object) -> Json:
    """Encode, write and read as text: what a socket does to a value."""
    read: Json = json.loads(json.dumps(encode(value)))
    return read


@pytest.mark.parametrize("view", [healthy_view(), degraded_view(), lost_view()])
def test_a_pool_view_comes_back_equal(view: PoolView) -> None:
    assert decode(PoolView, _through_text(view)) == view


@given(
    st.one_of(
        st.builds(ReconcileView, eta_s=st.none() | st.floats(0, 1e9)),
        st.builds(ScrubView, eta_s=st.none() | st.floats(0, 1e9), rate_bytes_s=st.floats(0, 1e12)),
        st.builds(ExposureView),
        st.builds(DiskView),
        st.builds(EventView),
    ).filter(lambda view: all(math.isfinite(f) for f in _floats(view)))
)
def test_any_view_comes_back_equal(view: object) -> None:
    assert decode(type(view), _through_text(view)) == view


def _floats(view: object) -> list[float]:
    names = getattr(view, "__slots__", ())
    return [value for name in names if isinstance(value := getattr(view, name), float)]


def test_a_float_that_json_wrote_as_a_whole_number_is_a_float_again() -> None:
    value = decode(float, 3)

    assert isinstance(value, float)
    assert value == 3.0


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_number_that_json_has_no_word_for_becomes_nothing(number: float) -> None:
    assert encode({"rate": number}) == {"rate": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    count: int
    label: str | None


@pytest.mark.parametrize(
    "value",
    [
        {"count": 1},
        {"count": 1, "label": "a", "more": 2},
        {"count": "1", "label": "a"},
        {"count": True, "label": "a"},
        {"count": 1, "label": 2},
        [1, "a"],
        None,
    ],
)
def test_a_record_of_another_shape_is_refused(value: Json) -> None:
    with pytest.raises(ForeignReplyError):
        decode(_Pair, value)


def test_an_enum_word_of_another_release_is_refused() -> None:
    value = _through_text(healthy_view())
    assert isinstance(value, dict)
    assert isinstance(value["verdict"], dict)
    value["verdict"]["word"] = "splendid"

    with pytest.raises(ForeignReplyError, match="splendid"):
        decode(PoolView, value)


def test_a_class_that_no_rule_covers_is_a_programmers_error() -> None:
    with pytest.raises(TypeError):
        encode(object())

"""The queue of work, and the paths that findings are named by."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.ids import ExtentId
from engine.maintenance.paths import PathFinder
from engine.maintenance.queue import Work, WorkQueue
from engine.policy.ordering import WorkKind, WorkOrder, work_key
from tests.unit.maintenance.small_pool import pattern, small_pool


def work(extent: int, exposure: int) -> Work:
    order = WorkOrder(extent_id=ExtentId(extent), kind=WorkKind.REBUILD, exposure=exposure)
    return Work(order=order, total_bytes=10)


@given(st.lists(st.integers(-1, 3), max_size=40), st.integers(1, 10))
def test_the_most_urgent_are_kept_in_order_and_the_rest_is_counted(
    exposures: list[int], items_max: int
) -> None:
    queue = WorkQueue(items_max=items_max)
    works = [work(number, exposure) for number, exposure in enumerate(exposures)]

    for one in works:
        queue.add(one)

    expected = sorted(works, key=lambda one: work_key(one.order))[:items_max]
    assert len(queue) == len(works)
    assert queue.total_bytes == 10 * len(works)
    assert [queue.take() for _ in expected] == expected
    assert queue.take() is None
    assert queue.overflowed == len(works) - len(expected)


def test_an_extent_is_queued_once() -> None:
    queue = WorkQueue()
    queue.add(work(1, 1))
    queue.add(work(1, 0))

    assert len(queue) == 1
    assert queue.total_bytes == 10


def test_extents_are_named_by_the_file_that_has_bytes_in_them(tmp_path: Path) -> None:
    with small_pool(tmp_path, 6) as pool:
        outer = pool.make_directory("outer")
        inner = pool.make_directory("inner", outer)
        deep = pool.write_file("deep.bin", pattern(100), parent=inner)
        top = pool.write_file("top.bin", pattern(100))
        unnamed = pool.extents.write(pattern(100), top.redundancy)

        found = PathFinder(pool.readers).find(
            [deep.extent_id, top.extent_id, unnamed.extent_id, ExtentId(12345)]
        )

        assert found == {deep.extent_id: "/outer/inner/deep.bin", top.extent_id: "/top.bin"}

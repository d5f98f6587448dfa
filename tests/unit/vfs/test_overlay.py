"""Layers and the overlay of one file against arrays of bytes (O2, O4, O5)."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from engine.ids import InodeId
from engine.vfs.overlay import Layer, PendingFile, PendingRange, without_newer_staged

SPACE = 48
SPANS = st.tuples(st.integers(0, SPACE - 1), st.integers(1, SPACE)).map(
    lambda pair: (pair[0], min(SPACE, pair[0] + pair[1]))
)


@dataclass(eq=False)
class Builder:
    """What a layer's bytes are in: a growing array."""

    sequence: int
    data: bytearray


def write(layer: Layer, builder: Builder, start: int, content: bytes) -> None:
    """Append *content* to the builder and note it, as a write does."""
    at = len(builder.data)
    builder.data += content
    layer.add(start, start + len(content), at)


def check_shape(layer: Layer) -> None:
    """The ranges are sorted, not empty and do not overlap."""
    ends = 0
    for item in layer.ranges:
        assert ends <= item.start < item.end
        ends = item.end


LAYER_STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add", "remove", "stage", "unstage"]), SPANS), max_size=16
)


@given(steps=LAYER_STEPS, window=SPANS)
def test_a_layer_holds_the_newest_bytes_and_what_is_staged(
    steps: list[tuple[str, tuple[int, int]]], window: tuple[int, int]
) -> None:
    builder = Builder(1, bytearray())
    layer = Layer(builder)
    held: list[int | None] = [None] * SPACE
    staged = [False] * SPACE
    for number, (kind, (start, end)) in enumerate(steps, 1):
        span = range(start, end)
        if kind == "add":
            write(layer, builder, start, bytes([number]) * (end - start))
            for at in span:
                held[at], staged[at] = number, False
        elif kind == "remove":
            layer.remove(start, end)
            for at in span:
                held[at], staged[at] = None, False
        elif kind == "stage":
            layer.mark_staged()
            staged = [one is not None for one in held]
        elif all(held[at] is not None for at in span):
            layer.mark(start, end, staged=False)
            for at in span:
                staged[at] = False
        check_shape(layer)
        fresh = [layer.ranges[position] for position in layer.unstaged()]
        assert {at for item in fresh for at in range(item.start, item.end)} == {
            at for at in range(SPACE) if held[at] is not None and not staged[at]
        }

    found = layer.overlapping(*window)
    shown: dict[int, tuple[int, bool]] = {}
    for item in found:
        assert window[0] <= item.start < item.end <= window[1]
        for at in range(item.start, item.end):
            shown[at] = (builder.data[item.at + at - item.start], item.staged)
    expected = {at: (held[at], staged[at]) for at in range(*window) if held[at] is not None}
    assert shown == expected
    assert layer.bytes == sum(one is not None for one in held)


@given(steps=LAYER_STEPS, window=SPANS)
def test_a_position_is_that_of_bytes_in_one_piece(
    steps: list[tuple[str, tuple[int, int]]], window: tuple[int, int]
) -> None:
    builder = Builder(1, bytearray())
    layer = Layer(builder)
    held = [0] * SPACE
    for number, (kind, (start, end)) in enumerate(steps, 1):
        if kind == "add":
            write(layer, builder, start, bytes([number]) * (end - start))
            held[start:end] = [number] * (end - start)
        elif kind == "remove":
            layer.remove(start, end)
            held[start:end] = [0] * (end - start)

    at = layer.position_of(*window)

    length = window[1] - window[0]
    if at is not None:
        assert builder.data[at : at + length] == bytes(held[window[0] : window[1]])
    else:
        whole = layer.overlapping(*window)
        assert len(whole) != 1 or (whole[0].start, whole[0].end) != window


FILE_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), SPANS),
        st.tuples(st.just("write"), SPANS),
        st.tuples(st.just("truncate"), SPANS),
        st.tuples(st.just("next builder"), st.just((0, 0))),
        st.tuples(st.just("land oldest"), st.just((0, 0))),
        st.tuples(st.just("fsync"), st.just((0, 0))),
    ),
    max_size=20,
)


@dataclass
class Committed:
    """Bytes of a file below its overlay: what landed and what fsync staged."""

    data: bytearray

    def put(self, start: int, content: bytes) -> None:
        if len(self.data) < start + len(content):
            self.data.extend(bytes(start + len(content) - len(self.data)))
        self.data[start : start + len(content)] = content

    def cut(self, size: int) -> None:
        del self.data[size:]


def shown(file: PendingFile, committed: Committed) -> bytes:
    """Put the overlay over what is committed."""
    result = bytearray(bytes(committed.data[: file.size]).ljust(file.size, b"\0"))
    found, gaps = file.resolve(0, file.size)
    taken = [False] * file.size
    for item, extent in found:
        assert isinstance(extent, Builder)
        for at in range(item.start, item.end):
            assert not taken[at]
            taken[at] = True
            result[at] = extent.data[item.at + at - item.start]
    for start, end in gaps:
        assert not any(taken[start:end])
        taken[start:end] = [True] * (end - start)
    assert all(taken)
    return bytes(result)


@given(steps=FILE_STEPS)
def test_the_overlay_shows_the_newest_bytes_and_what_lands_never_undoes_an_fsync(
    steps: list[tuple[str, tuple[int, int]]],
) -> None:
    file = PendingFile(InodeId(2), 0)
    committed = Committed(bytearray())
    builders = [Builder(1, bytearray())]
    oracle = bytearray()
    # What a crash may show of each byte: its values since the last fsync, in order.
    states: list[bytes] = [b""]
    for number, (kind, (start, end)) in enumerate(steps, 1):
        if kind == "write":
            builder = builders[-1]
            content = bytes([number]) * (end - start)
            write(file.layer_of(builder), builder, start, content)
            file.size = max(file.size, end)
            oracle.extend(bytes(max(0, end - len(oracle))))
            oracle[start:end] = content
            states.append(bytes(oracle))
        elif kind == "truncate":
            file.truncate(start)
            committed.cut(start)
            if not file.layers:  # Nothing brings the growth later: it is there at once.
                committed.data.extend(bytes(max(0, start - len(committed.data))))
            oracle = bytearray(oracle[:start].ljust(start, b"\0"))
            states += [one[:start] for one in states]
            states.append(bytes(oracle))
        elif kind == "next builder":
            builders.append(Builder(number + 1, bytearray()))
        elif kind == "land oldest" and file.layers and file.layers[0].extent is not builders[-1]:
            land(file, committed)
        elif kind == "fsync":
            for layer in file.layers:
                put_unstaged(layer, committed)
                layer.mark_staged()
            committed.data.extend(bytes(max(0, file.size - len(committed.data))))
            states = [bytes(oracle)]

        assert file.size == len(oracle)
        assert shown(file, committed) == oracle
        assert bytes(committed.data) in states


def put_unstaged(layer: Layer, committed: Committed) -> None:
    assert isinstance(layer.extent, Builder)
    for item in layer.ranges:
        if not item.staged:
            content = layer.extent.data[item.at : item.at + item.end - item.start]
            committed.put(item.start, bytes(content))


def land(file: PendingFile, committed: Committed) -> None:
    """Land the oldest layer, with the size it implies, as Landing does."""
    layer = file.layers[0]
    assert isinstance(layer.extent, Builder)
    for item in without_newer_staged(layer.ranges, file.layers[1:]):
        content = layer.extent.data[item.at : item.at + item.end - item.start]
        committed.put(item.start, bytes(content))
    del file.layers[0]
    if not file.layers:
        committed.data.extend(bytes(max(0, file.size - len(committed.data))))


def test_bytes_fsync_staged_are_kept_from_older_ones_after_they_were_overwritten() -> None:
    old, new = Builder(1, bytearray()), Builder(2, bytearray())
    file = PendingFile(InodeId(2), 10)
    write(file.layer_of(old), old, 0, b"a" * 10)
    write(file.layer_of(new), new, 2, b"b" * 4)
    for layer in file.layers:
        layer.mark_staged()
    write(file.layers[1], new, 3, b"c" * 2)

    left = without_newer_staged(file.layers[0].ranges, file.layers[1:])

    assert [(item.start, item.end) for item in left] == [(0, 2), (6, 10)]


def test_neighbours_in_file_and_builder_become_one_range() -> None:
    builder = Builder(1, bytearray())
    layer = Layer(builder)
    for start in range(0, 4000, 4):
        write(layer, builder, start, b"abcd")
    assert layer.ranges == [PendingRange(0, 4000, 0)]

    layer.mark_staged()
    for start in range(0, 4000, 8):
        layer.mark(start, start + 4, staged=False)
    assert len(layer.ranges) == 1000
    layer.mark_staged()

    assert layer.ranges == [PendingRange(0, 4000, 0, staged=True)]


def test_overwriting_bytes_that_are_not_staged_splits_nothing() -> None:
    builder = Builder(1, bytearray())
    layer = Layer(builder)
    write(layer, builder, 0, bytes(100))

    for start in range(0, 100, 3):
        layer.mark(start, start + 1, staged=False)

    assert layer.ranges == [PendingRange(0, 100, 0)]


def test_unstaged_bytes_count_hidden_layers_too_and_end_with_fsync() -> None:
    old, new = Builder(1, bytearray()), Builder(2, bytearray())
    file = PendingFile(InodeId(2), 10)
    write(file.layer_of(old), old, 0, bytes(10))
    write(file.layer_of(new), new, 0, bytes(10))
    assert file.bytes == file.unstaged_bytes == 20

    for layer in file.layers:
        layer.mark_staged()

    assert file.bytes == 20
    assert file.unstaged_bytes == 0

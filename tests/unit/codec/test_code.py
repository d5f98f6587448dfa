"""The code beside its oracle: reedsolo, column by column, for every loss it must survive."""

from __future__ import annotations

import mmap
import random
from collections.abc import Sequence
from itertools import chain, combinations

import pytest
import reedsolo

from engine.codec.code import encode, reconstruct
from engine.codec.fallback import TranslateKernel
from engine.codec.isal import IsalKernel, load
from engine.codec.kernel import Kernel, default_kernel
from engine.model.redundancy import (
    ErasureCoding,
    Replication,
    fragment_count,
    needed_count,
    tolerance,
)

CODES = [
    ErasureCoding(1, 2),
    ErasureCoding(2, 1),
    ErasureCoding(4, 2),
    ErasureCoding(6, 3),
    ErasureCoding(8, 3),
]
LENGTH = 96


def isal_kernel() -> IsalKernel:
    kernel = load()
    assert kernel is not None, "libisal2 must be installed where the tests run"
    return kernel


KERNELS: list[Kernel] = [isal_kernel(), TranslateKernel()]


@pytest.fixture(params=KERNELS, ids=lambda kernel: kernel.name)
def kernel(request: pytest.FixtureRequest) -> Kernel:
    chosen: Kernel = request.param
    return chosen


def fragments_by_reedsolo(code: ErasureCoding, slices: Sequence[bytes]) -> list[bytes]:
    """Encode each column with the public library: slow, obvious, not ours."""
    codec = reedsolo.RSCodec(code.parity, nsize=code.data + code.parity)
    columns = [bytes(codec.encode(bytes(column))) for column in zip(*slices, strict=True)]
    return [bytes(row) for row in zip(*columns, strict=True)]


def random_slices(code: ErasureCoding, length: int, seed: int = 1) -> list[bytes]:
    source = random.Random(seed)
    return [source.randbytes(length) for _ in range(code.data)]


def test_isal_is_installed_and_is_what_the_engine_uses() -> None:
    assert default_kernel().name == "isa-l"


def test_every_call_for_the_default_kernel_gives_the_same_one() -> None:
    assert default_kernel() is default_kernel()


@pytest.mark.parametrize("code", CODES, ids=str)
def test_parity_is_what_reedsolo_computes_for_each_column(
    code: ErasureCoding, kernel: Kernel
) -> None:
    slices = random_slices(code, LENGTH)
    parity = bytearray(code.parity * LENGTH)

    payloads = encode(code, b"".join(slices), parity, LENGTH, kernel)

    assert [bytes(payload) for payload in payloads] == fragments_by_reedsolo(code, slices)


@pytest.mark.parametrize("code", CODES, ids=str)
def test_every_pattern_of_up_to_m_losses_is_rebuilt(code: ErasureCoding, kernel: Kernel) -> None:
    fragments = fragments_by_reedsolo(code, random_slices(code, LENGTH))
    indexes = range(fragment_count(code))
    patterns = chain.from_iterable(
        combinations(indexes, lost_count) for lost_count in range(1, tolerance(code) + 1)
    )

    for lost in patterns:
        available = {index: fragments[index] for index in indexes if index not in lost}
        rebuilt = reconstruct(code, available, lost, LENGTH, kernel)
        assert rebuilt == {index: fragments[index] for index in lost}, f"lost {lost}"


@pytest.mark.parametrize("code", CODES, ids=str)
def test_every_set_of_exactly_k_sources_makes_every_fragment(
    code: ErasureCoding, kernel: Kernel
) -> None:
    fragments = fragments_by_reedsolo(code, random_slices(code, LENGTH, seed=2))
    indexes = range(fragment_count(code))

    for sources in combinations(indexes, needed_count(code)):
        available = {index: fragments[index] for index in sources}
        rebuilt = reconstruct(code, available, indexes, LENGTH, kernel)
        assert rebuilt == dict(enumerate(fragments)), f"from {sources}"


@pytest.mark.parametrize("length", [1, 15, 16, 17, 31, 33, 63, 65, 127, 4095, 4097, 40_001])
def test_odd_lengths_are_encoded_and_rebuilt_to_the_last_byte(length: int, kernel: Kernel) -> None:
    code = ErasureCoding(4, 2)
    slices = random_slices(code, length, seed=length)

    payloads = encode(code, b"".join(slices), bytearray(2 * length), length, kernel)
    rebuilt = reconstruct(
        code, {index: payloads[index] for index in (1, 3, 4, 5)}, (0, 2), length, kernel
    )

    assert rebuilt == {0: slices[0], 2: slices[2]}
    sampled = sorted({0, length // 2, length - 1})
    columns = [bytes(piece[column] for column in sampled) for piece in slices]
    oracle = fragments_by_reedsolo(code, columns)
    assert [bytes(payload[column] for column in sampled) for payload in payloads] == oracle


def test_a_page_range_of_the_slices_is_rebuilt_alone(kernel: Kernel) -> None:
    code = ErasureCoding(6, 3)
    fragments = fragments_by_reedsolo(code, random_slices(code, 300))
    pages = {index: memoryview(fragments[index])[100:171] for index in (0, 2, 4, 5, 7, 8)}

    rebuilt = reconstruct(code, pages, (1, 6), 71, kernel)

    assert rebuilt == {1: fragments[1][100:171], 6: fragments[6][100:171]}


def test_only_the_lowest_k_of_more_sources_are_read(kernel: Kernel) -> None:
    code = ErasureCoding(2, 2)
    fragments = fragments_by_reedsolo(code, random_slices(code, LENGTH))
    available = {3: b"never looked at", 1: fragments[1], 2: fragments[2]}

    assert reconstruct(code, available, (0,), LENGTH, kernel) == {0: fragments[0]}


def test_encoding_a_map_shares_its_memory_and_leaves_the_data_alone(kernel: Kernel) -> None:
    code = ErasureCoding(4, 2)
    slices = random_slices(code, 4096)
    with mmap.mmap(-1, 4 * 4096) as region, mmap.mmap(-1, 2 * 4096) as beside:
        region[:] = b"".join(slices)
        with memoryview(region) as view, memoryview(beside) as parity:
            payloads = encode(code, view, parity, 4096, kernel)
            assert beside[:] == b"".join(fragments_by_reedsolo(code, slices)[4:])
            assert region[:] == b"".join(slices)
            assert [bytes(payload) for payload in payloads[:4]] == slices
            for payload in payloads:
                payload.release()


def test_parity_does_not_run_past_its_slices(kernel: Kernel) -> None:
    code = ErasureCoding(2, 1)
    parity = bytearray(b"\x55" * 38)

    encode(code, bytes(range(62)), parity, 31, kernel)

    assert parity[31:] == b"\x55" * 7


def test_the_widest_code_of_the_field_survives_its_losses(kernel: Kernel) -> None:
    code = ErasureCoding(200, 55)
    fragments = fragments_by_reedsolo(code, random_slices(code, 3))
    lost = tuple(range(0, 110, 2))

    available = {index: piece for index, piece in enumerate(fragments) if index not in lost}
    rebuilt = reconstruct(code, available, lost, 3, kernel)

    assert rebuilt == {index: fragments[index] for index in lost}


@pytest.mark.parametrize("copies", [2, 3])
def test_replicas_are_the_same_memory_not_copies(copies: int, kernel: Kernel) -> None:
    buffer = bytearray(b"some data")

    payloads = encode(Replication(copies), buffer, bytearray(), 9, kernel)
    buffer[0:4] = b"SOME"

    assert [bytes(payload) for payload in payloads] == [b"SOME data"] * copies


@pytest.mark.parametrize("copies", [2, 3])
def test_a_lost_replica_is_made_from_any_other(copies: int, kernel: Kernel) -> None:
    for source in range(copies):
        lost = [index for index in range(copies) if index != source]
        rebuilt = reconstruct(Replication(copies), {source: b"payload"}, lost, 7, kernel)
        assert rebuilt == dict.fromkeys(lost, b"payload")


def test_what_is_wanted_and_there_is_copied(kernel: Kernel) -> None:
    original = bytearray(b"abcdef")

    rebuilt = reconstruct(ErasureCoding(1, 1), {0: original}, (0,), 4, kernel)
    original[0] = 0

    assert rebuilt == {0: b"abcd"}


def test_a_fragment_wanted_twice_is_made_once(kernel: Kernel) -> None:
    code = ErasureCoding(2, 1)
    fragments = fragments_by_reedsolo(code, random_slices(code, LENGTH))

    rebuilt = reconstruct(code, {0: fragments[0], 1: fragments[1]}, (2, 2), LENGTH, kernel)

    assert rebuilt == {2: fragments[2]}


def test_too_few_sources_are_refused(kernel: Kernel) -> None:
    with pytest.raises(ValueError, match="not enough"):
        reconstruct(ErasureCoding(2, 1), {1: b"x"}, (0,), 1, kernel)
    with pytest.raises(ValueError, match="not enough"):
        reconstruct(Replication(2), {}, (0,), 1, kernel)


def test_a_short_source_is_refused_before_anything_is_read(kernel: Kernel) -> None:
    with pytest.raises(ValueError, match="fewer than 5"):
        reconstruct(ErasureCoding(2, 1), {1: b"12345", 2: b"1234"}, (0,), 5, kernel)


@pytest.mark.parametrize("stranger", [-1, 3])
def test_an_index_outside_the_code_is_refused(stranger: int, kernel: Kernel) -> None:
    with pytest.raises(ValueError, match="none of rs:2"):
        reconstruct(ErasureCoding(2, 1), {0: b"1", 1: b"1"}, (stranger,), 1, kernel)


def test_memory_without_room_for_the_slices_is_refused(kernel: Kernel) -> None:
    with pytest.raises(ValueError, match="do not hold 1 slices"):
        encode(ErasureCoding(2, 1), bytes(20), bytearray(9), 10, kernel)
    with pytest.raises(ValueError, match="do not hold 2 slices"):
        encode(ErasureCoding(2, 1), bytes(19), bytearray(10), 10, kernel)

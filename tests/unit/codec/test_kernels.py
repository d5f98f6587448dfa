"""What every kernel must do, and that the two agree on everything."""

from __future__ import annotations

import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codec import isal
from engine.codec.fallback import TranslateKernel
from engine.codec.isal import IsalKernel
from engine.codec.kernel import Kernel


def schoolbook_product(left: int, right: int) -> int:
    """Multiply in GF(2^8) by shifting and reducing with 0x11d: the oracle."""
    product = 0
    while right:
        if right & 1:
            product ^= left
        left <<= 1
        if left & 0x100:
            left ^= 0x11D
        right >>= 1
    return product


def isal_kernel() -> IsalKernel:
    kernel = isal.load()
    assert kernel is not None, "libisal2 must be installed where the tests run"
    return kernel


class KernelContract:
    """What every kernel must do. Subclass and provide ``kernel``."""

    def test_it_multiplies_every_byte_by_every_coefficient(self, kernel: Kernel) -> None:
        every_byte = bytes(range(256))
        targets = [bytearray(256) for _ in range(256)]
        rows = tuple(bytes([coefficient]) for coefficient in range(256))

        kernel.encode(rows, [every_byte], targets, 256)

        for coefficient, target in enumerate(targets):
            expected = bytes(schoolbook_product(coefficient, value) for value in every_byte)
            assert target == expected, f"coefficient {coefficient}"

    def test_it_adds_the_products_of_its_sources(self, kernel: Kernel) -> None:
        target = bytearray(2)

        kernel.encode((bytes([2, 3, 1]),), [b"\x80\x01", b"\x80\x01", b"\x0f\xf0"], [target], 2)

        # 2*80 = 1d and 3*80 = 9d; 2*01 ^ 3*01 = 01.
        assert target == bytes([0x1D ^ 0x9D ^ 0x0F, 0x01 ^ 0xF0])

    def test_it_reads_bytes_that_may_not_be_written(self, kernel: Kernel) -> None:
        target = bytearray(4)

        kernel.encode((b"\x01\x01",), [b"\1\2\3\4", memoryview(b"xx\1\1\1\1")[2:]], [target], 4)

        assert target == b"\0\3\2\5"

    def test_it_leaves_what_lies_behind_the_length_alone(self, kernel: Kernel) -> None:
        target = bytearray(b"\xaa" * 100)

        kernel.encode((b"\x01",), [bytes(100)], [target], 37)

        assert target == bytes(37) + b"\xaa" * 63

    def test_no_length_changes_nothing(self, kernel: Kernel) -> None:
        target = bytearray(b"keep")

        kernel.encode((b"\x01",), [b"data"], [target], 0)

        assert target == b"keep"

    def test_it_refuses_buffers_that_are_too_short(self, kernel: Kernel) -> None:
        with pytest.raises(ValueError, match="shorter than 5"):
            kernel.encode((b"\x01",), [b"1234"], [bytearray(5)], 5)
        with pytest.raises(ValueError, match="shorter than 5"):
            kernel.encode((b"\x01",), [b"12345"], [bytearray(4)], 5)

    def test_it_refuses_rows_that_do_not_fit(self, kernel: Kernel) -> None:
        with pytest.raises(ValueError, match="rows do not make"):
            kernel.encode((b"\x01\x01",), [b"1"], [bytearray(1)], 1)
        with pytest.raises(ValueError, match="rows do not make"):
            kernel.encode((b"\x01", b"\x01"), [b"1"], [bytearray(1)], 1)

    def test_it_refuses_to_write_where_it_may_not(self, kernel: Kernel) -> None:
        fixed = bytes(3)

        with pytest.raises(ValueError, match="read-only"):
            kernel.encode((b"\x01",), [b"123"], [memoryview(fixed)], 3)

        assert fixed == bytes(3)

    def test_it_refuses_buffers_with_holes(self, kernel: Kernel) -> None:
        with pytest.raises(ValueError, match="contiguous"):
            kernel.encode((b"\x01",), [memoryview(b"abcdef")[::2]], [bytearray(3)], 3)

    def test_it_lets_go_of_every_buffer(self, kernel: Kernel) -> None:
        source, target = bytearray(b"ab"), bytearray(2)
        counts = sys.getrefcount(source), sys.getrefcount(target)

        kernel.encode((b"\x01",), [source], [target], 2)
        source.extend(b"c")
        target.extend(b"c")

        assert counts == (sys.getrefcount(source), sys.getrefcount(target))


class TestIsalKernel(KernelContract):
    @pytest.fixture
    def kernel(self) -> Kernel:
        return isal_kernel()

    def test_without_the_library_there_is_no_such_kernel(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(isal, "_LIBRARY", "libisal-is-not-here.so.2")

        assert isal.load() is None


class TestTranslateKernel(KernelContract):
    @pytest.fixture
    def kernel(self) -> Kernel:
        return TranslateKernel()


@given(
    source_count=st.integers(1, 12),
    target_count=st.integers(1, 5),
    length=st.integers(1, 70_000),
    seed=st.integers(0, 2**32),
)
def test_both_kernels_compute_the_same_bytes(
    source_count: int, target_count: int, length: int, seed: int
) -> None:
    content = random.Random(seed)
    rows = tuple(content.randbytes(source_count) for _ in range(target_count))
    sources = [content.randbytes(length) for _ in range(source_count)]
    by_isal = [bytearray(length) for _ in rows]
    by_python = [bytearray(length) for _ in rows]

    isal_kernel().encode(rows, sources, by_isal, length)
    TranslateKernel().encode(rows, sources, by_python, length)

    assert by_isal == by_python

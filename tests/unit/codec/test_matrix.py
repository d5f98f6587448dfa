"""Field and matrices beside the schoolbook and beside reedsolo's own tables."""

from __future__ import annotations

import pytest
import reedsolo

from engine.codec.field import PRODUCT, RECIPROCAL
from engine.codec.matrix import parity_matrix, recovery_matrix


def test_every_product_is_reedsolos() -> None:
    reedsolo.init_tables(prim=0x11D, generator=2, c_exp=8)

    for left in range(256):
        assert list(PRODUCT[left]) == [reedsolo.gf_mul(left, right) for right in range(256)]


def test_every_reciprocal_is_reedsolos() -> None:
    reedsolo.init_tables(prim=0x11D, generator=2, c_exp=8)

    assert list(RECIPROCAL[1:]) == [reedsolo.gf_inverse(value) for value in range(1, 256)]


def test_the_coefficients_of_4_2_are_these_for_good() -> None:
    assert [list(row) for row in parity_matrix(4, 2)] == [[31, 15, 7, 3], [30, 14, 6, 2]]


def test_sources_recover_themselves_by_the_identity() -> None:
    rows = recovery_matrix(3, 2, (4, 0, 3), (3, 4, 0))

    assert [list(row) for row in rows] == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_sources_must_be_k_different_fragments() -> None:
    with pytest.raises(ValueError, match="2 different"):
        recovery_matrix(2, 1, (1, 1), (0,))
    with pytest.raises(ValueError, match="2 different"):
        recovery_matrix(2, 1, (0, 1, 2), (0,))


def test_an_index_past_the_last_fragment_is_refused() -> None:
    with pytest.raises(ValueError, match="none of 2"):
        recovery_matrix(2, 1, (0, 3), (1,))

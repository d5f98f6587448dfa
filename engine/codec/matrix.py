"""Coefficient matrices over GF(2^8), taken from reedsolo.

A matrix is a tuple of rows and a row is ``bytes``, one coefficient per source;
so it is hashable and a kernel can key what it prepares by it. Thread-safe:
all functions are pure, their caches bounded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeAlias

import reedsolo

from engine.codec.field import PRODUCT, RECIPROCAL, add

Matrix: TypeAlias = tuple[bytes, ...]
"""Rows of coefficients, of equal length."""

_CODES_CACHED_MAX: Final = 64
_PATTERNS_CACHED_MAX: Final = 1024
"""More than every pattern of two losses of 24 fragments; a few KiB each."""


@lru_cache(maxsize=_CODES_CACHED_MAX)
def parity_matrix(data: int, parity: int) -> Matrix:
    """Return the (parity, data) coefficients that reedsolo's code has.

    The code is linear and systematic, so what ``RSCodec.encode`` appends to
    the unit vectors are the columns.

    >>> [list(row) for row in parity_matrix(2, 1)]
    [[1, 1]]
    """
    codec = reedsolo.RSCodec(parity, nsize=data + parity)
    columns = []
    for position in range(data):
        unit = bytearray(data)
        unit[position] = 1
        columns.append(bytes(codec.encode(unit))[data:])
    return tuple(bytes(row) for row in zip(*columns, strict=True))


@lru_cache(maxsize=_PATTERNS_CACHED_MAX)
def recovery_matrix(
    data: int, parity: int, sources: tuple[int, ...], wanted: tuple[int, ...]
) -> Matrix:
    """Return the (wanted, data) coefficients that turn *sources* into *wanted*.

    *sources* are *data* distinct fragment indexes, in the order their bytes
    will be given; *wanted* are any indexes, in the order wanted.

    >>> [list(row) for row in recovery_matrix(2, 1, (1, 2), (0,))]
    [[1, 1]]
    """
    if len(set(sources)) != data:
        raise ValueError(f"{sources} are not {data} different fragments")
    inverse = _inverted(tuple(_generator_row(data, parity, index) for index in sources))
    return tuple(_times(_generator_row(data, parity, index), inverse) for index in wanted)


def _generator_row(data: int, parity: int, index: int) -> bytes:
    """Return how fragment *index* is made of the data slices."""
    if not 0 <= index < data + parity:
        raise ValueError(f"fragment {index} is none of {data}+{parity}")
    if index < data:
        return bytes(int(position == index) for position in range(data))
    return parity_matrix(data, parity)[index - data]


def _times(row: bytes, matrix: Matrix) -> bytes:
    """Return *row* multiplied by *matrix* from the left."""
    total = bytes(len(matrix[0]))
    for coefficient, other in zip(row, matrix, strict=True):
        if coefficient:
            total = add(total, other.translate(PRODUCT[coefficient]))
    return total


def _inverted(matrix: Matrix) -> Matrix:
    """Return the inverse of a square matrix by Gauss-Jordan elimination.

    Any k rows of a Reed-Solomon generator are independent, so a pivot exists.
    """
    size = len(matrix)
    # The identity beside each row, so that one row operation serves both.
    rows = [
        row + bytes(int(position == column) for column in range(size))
        for position, row in enumerate(matrix)
    ]
    for column in range(size):
        pivot = next(position for position in range(column, size) if rows[position][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = PRODUCT[RECIPROCAL[rows[column][column]]]
        rows[column] = rows[column].translate(scale)
        for position, row in enumerate(rows):
            if position != column and row[column]:
                rows[position] = add(row, rows[column].translate(PRODUCT[row[column]]))
    return tuple(row[size:] for row in rows)

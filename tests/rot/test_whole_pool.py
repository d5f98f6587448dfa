"""A seeded sample of flips, each from an open to a scrub that is clean again."""

from __future__ import annotations

import random
from typing import Final

import pytest

from engine.errors import PoolError
from engine.pool.pool import Pool
from tests.rot.flips import SEED, pattern_at
from tests.rot.rotten_pool import (
    LABEL,
    Place,
    Samples,
    open_and_read,
    read_everything,
    remove,
    scrubbed,
)

KINDS: Final = {
    "label": LABEL,
    "fragment": "fragments/",
    "journal": "journal/",
    "checkpoint": "checkpoints/",
    "database": "metadata.db",
    "log": "metadata.db-wal",
    "index of the log": "metadata.db-shm",
}

NOT_HEALED: Final = "its journal is damaged behind generation"

TURNS: Final = [
    pytest.param(3, id="few"),
    pytest.param(400, id="many", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("count", TURNS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_flipped_byte_anywhere_is_read_around_and_healed(
    place: Place, samples: Samples, kind: str, count: int
) -> None:
    source = random.Random(SEED)
    for turn in range(count):
        taken = samples.closed if turn % 2 and "log" not in kind else samples.crashed
        names = [name for name in taken.named(KINDS[kind]) if taken.image[name]]
        name = source.choice(names)
        offset = source.randrange(len(taken.image[name]))
        place.restore(taken)
        place.flip(name, offset, pattern_at(offset, turn % 9))
        with Pool(place.pool_dir) as pool:
            assert read_everything(pool.filesystem) == taken.expected, (name, offset)
            scrubbed(pool, repair=True)
            assert read_everything(pool.filesystem) == taken.expected, (name, offset)
            clean = scrubbed(pool, repair=False)
            if kind != "label":
                # A disk without its label is missing, and all that is on it.
                assert (clean.corrupt, clean.missing, clean.misplaced) == (0, 0, 0), (name, offset)
        found, events = open_and_read(place)
        assert found == taken.expected, (name, offset)
        # A record that a checkpoint replaced is not written again: it is named.
        named = [text for text in events if "damaged" in text]
        assert [text for text in named if NOT_HEALED not in text] == [], (name, offset)
        assert kind == "journal" or not named, (name, offset)


def test_a_checkpoint_whose_head_is_damaged_is_named_at_the_open_until_it_is_mended(
    place: Place, samples: Samples
) -> None:
    place.restore(samples.closed)
    place.flip(samples.closed.named("disk2/checkpoints")[0], 100, 0x20)

    named = [text for text in open_and_read(place)[1] if "checkpoint" in text]

    assert len(named) == 1
    assert named[0].startswith("d2: ")
    assert "scrub --repair" in named[0]
    with Pool(place.pool_dir) as pool:
        scrubbed(pool, repair=True)
    assert not [text for text in open_and_read(place)[1] if "scrub --repair" in text]


def test_checkpoints_that_a_lost_database_could_not_be_made_from_are_named(
    place: Place, samples: Samples
) -> None:
    place.restore(samples.closed)
    remove(place.pool_dir / "metadata.db")
    newest = [samples.closed.named(f"{disk.name}/checkpoints")[-1] for disk in place.disks]
    for name in newest:
        place.flip(name, samples.closed.lengths[name] - 100, 0x20)

    found, events = open_and_read(place)

    assert found == samples.closed.expected
    for disk in ("d1", "d2", "d3", "d4"):
        assert [text for text in events if text.startswith(disk) and "scrub --repair" in text]


@pytest.mark.parametrize("count", TURNS)
def test_a_flipped_byte_of_the_configuration_opens_the_pool_right_or_not_at_all(
    place: Place, samples: Samples, count: int
) -> None:
    source = random.Random(SEED)
    content = samples.closed.image["pool/pool.toml"]
    for turn in range(2 * count):
        offset = source.randrange(len(content))
        place.restore(samples.closed)
        place.flip("pool/pool.toml", offset, pattern_at(offset, turn % 9))
        try:
            found, _ = open_and_read(place)
        except PoolError:
            continue
        assert found == samples.closed.expected, offset


@pytest.mark.parametrize("count", TURNS)
def test_a_flipped_byte_in_m_fragments_of_every_extent_is_read_around_and_healed(
    place: Place, samples: Samples, count: int
) -> None:
    source = random.Random(SEED)
    for _ in range(count):
        place.restore(samples.closed)
        first, second = source.sample((1, 2, 3, 4), 2)
        rotten = [
            *samples.closed.named(f"disk{first}/fragments"),
            *samples.closed.named(f"disk{second}/fragments"),
        ]
        for name in rotten:
            place.flip(name, source.randrange(samples.closed.lengths[name]), 0x40)
        with Pool(place.pool_dir) as pool:
            assert read_everything(pool.filesystem) == samples.closed.expected, rotten
            # What the reads met may be mended before the scrub comes to it.
            found = scrubbed(pool, repair=True)
            assert found.intact + found.corrupt == len(samples.closed.named("fragments/"))
            clean = scrubbed(pool, repair=False)
            assert (clean.corrupt, clean.missing, clean.parity_mismatches) == (0, 0, 0)
            assert clean.intact == len(samples.closed.named("fragments/"))
        assert open_and_read(place)[0] == samples.closed.expected

"""What every device must do: subclass and provide the fixture ``device``.

The fixture gives an empty disk; ``reopened`` gives the same disk again after a
clean close, where the kind of device outlives one.
"""

from __future__ import annotations

import threading

import pytest

from engine.device.protocol import Buffer, Device, JournalEntry
from engine.errors import (
    DeviceDeniedError,
    DeviceGoneError,
    NameAbsentError,
    NameTakenError,
)
from engine.ids import Epoch, Generation
from engine.units import KIB, MIB

NAME = "fragments/0/1.1.0"
LENGTHS = [0, 1, 511, 4095, 4096, 4097, 8192, 65535, 65536, 65537, 262144, 300001]
FIRST_EPOCH = Epoch(1)


def pattern(length_bytes: int, seed: int = 0) -> bytes:
    """Return bytes in which no two pages are alike."""
    words = (length_bytes // 8) + 1
    return b"".join((index * 2654435761 + seed).to_bytes(8, "little") for index in range(words))[
        :length_bytes
    ]


def read_all(device: Device, name: str) -> bytes:
    return bytes(device.get(name, offset=0, length=device.stat(name).length_bytes))


def names(device: Device, prefix: str) -> list[str]:
    return [found.name for found in device.list(prefix)]


def entry(generation: int, payload: bytes, epoch: int = 1) -> JournalEntry:
    return JournalEntry(Generation(generation), Epoch(epoch), payload)


def put_entries(device: Device, *entries: JournalEntry) -> None:
    for one in entries:
        device.journal_put(one.generation, one.epoch, one.payload)


def journal(device: Device, start: int = 0) -> list[object]:
    return list(device.journal_list(Generation(start)))


class DeviceContract:
    """The facts of ``Device`` that hold for every implementation."""

    @pytest.mark.parametrize("length", LENGTHS)
    def test_what_was_put_is_what_get_returns(self, device: Device, length: int) -> None:
        device.put(NAME, [pattern(length)])

        assert read_all(device, NAME) == pattern(length)
        assert device.stat(NAME).length_bytes == length

    def test_parts_are_stored_one_behind_the_other(self, device: Device) -> None:
        parts: list[Buffer] = [
            pattern(4096),
            bytearray(b"odd"),
            memoryview(pattern(70000, 3))[1:],
            b"",
            b"end",
        ]

        device.put(NAME, parts)

        assert read_all(device, NAME) == b"".join(bytes(part) for part in parts)

    def test_a_read_only_view_can_be_put(self, device: Device) -> None:
        device.put(NAME, [memoryview(bytearray(pattern(2 * MIB))).toreadonly()])

        assert read_all(device, NAME) == pattern(2 * MIB)

    def test_put_refuses_to_replace(self, device: Device) -> None:
        device.put(NAME, [b"first"])

        with pytest.raises(NameTakenError):
            device.put(NAME, [b"second"])

        assert read_all(device, NAME) == b"first"
        assert names(device, "fragments") == [NAME]

    def test_of_many_that_put_one_name_at_once_exactly_one_wins(self, device: Device) -> None:
        outcomes: list[bytes] = []

        def put(data: bytes) -> None:
            try:
                device.put(NAME, [data])
            except NameTakenError:
                return
            outcomes.append(data)

        threads = [threading.Thread(target=put, args=(pattern(9000, seed),)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(outcomes) == 1
        assert read_all(device, NAME) == outcomes[0]

    @pytest.mark.parametrize(
        ("offset", "length", "expected"),
        [
            (0, 4, b"0123"),
            (6, 4, b"6789"),
            (8, 4, b"89"),
            (10, 4, b""),
            (99, 4, b""),
            (0, 0, b""),
            (0, 64 * MIB, b"0123456789"),
        ],
    )
    def test_a_range_ends_where_the_name_ends(
        self, device: Device, offset: int, length: int, expected: bytes
    ) -> None:
        device.put(NAME, [b"0123456789"])

        assert bytes(device.get(NAME, offset=offset, length=length)) == expected

    def test_what_get_returned_stays_when_the_name_is_deleted(self, device: Device) -> None:
        device.put(NAME, [pattern(100 * KIB)])
        kept = device.get(NAME, offset=4096, length=8192)

        device.delete(NAME)

        assert bytes(kept) == pattern(100 * KIB)[4096 : 4096 + 8192]

    def test_an_absent_name_is_absent_for_every_call(self, device: Device) -> None:
        device.put("fragments/0/2.1.0", [b"x"])
        for absent in (NAME, "fragments/7/1.1.0", "fragments/0/2.1.0/x"):
            with pytest.raises(NameAbsentError):
                device.get(absent, offset=0, length=1)
            with pytest.raises(NameAbsentError):
                device.stat(absent)
            with pytest.raises(NameAbsentError):
                device.delete(absent)
            with pytest.raises(NameAbsentError):
                device.set_aside(absent)

    @pytest.mark.parametrize(
        "name",
        ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "lock", "tmp/x", "journal/x"],
    )
    def test_a_name_that_could_lead_elsewhere_is_refused(self, device: Device, name: str) -> None:
        with pytest.raises(DeviceDeniedError):
            device.put(name, [b"x"])
        with pytest.raises(DeviceDeniedError):
            device.get(name, offset=0, length=1)
        with pytest.raises(DeviceDeniedError):
            device.delete(name)

    def test_a_deleted_name_is_gone_and_free(self, device: Device) -> None:
        device.put(NAME, [b"first"])
        assert read_all(device, NAME) == b"first"

        device.delete(NAME)

        assert names(device, "fragments") == []
        with pytest.raises(NameAbsentError):
            device.get(NAME, offset=0, length=1)
        device.put(NAME, [b"second"])
        assert read_all(device, NAME) == b"second"

    def test_list_goes_folder_by_folder_in_order(self, device: Device) -> None:
        put = ["fragments/1/b", "fragments/0/z", "fragments/0/a", "fragments/top", "checkpoints/c"]
        for name in put:
            device.put(name, [b"x" * len(name)])

        found = list(device.list("fragments"))

        assert [one.name for one in found] == [
            "fragments/top",
            "fragments/0/a",
            "fragments/0/z",
            "fragments/1/b",
        ]
        assert [one.length_bytes for one in found] == [len(one.name) for one in found]
        assert names(device, "fragments/1") == ["fragments/1/b"]
        assert names(device, "nothing") == []
        assert names(device, "") == ["checkpoints/c", *[one.name for one in found]]

    def test_list_and_stat_agree(self, device: Device) -> None:
        device.put(NAME, [pattern(5000)])

        assert list(device.list("fragments")) == [device.stat(NAME)]
        assert device.stat(NAME).mtime_ns > 0

    def test_set_aside_moves_a_name_into_the_quarantine(self, device: Device) -> None:
        for content in (b"first", b"second"):
            device.put(NAME, [content])
            assert read_all(device, NAME) == content
            device.set_aside(NAME)
            with pytest.raises(NameAbsentError):
                device.get(NAME, offset=0, length=1)

        assert names(device, "fragments") == []
        kept = names(device, "quarantine")
        assert sorted(read_all(device, name) for name in kept) == [b"first", b"second"]

    def test_sync_takes_names_present_and_deleted(self, device: Device) -> None:
        device.put(NAME, [b"x"])
        device.put("fragments/0/2.1.0", [b"x"])
        device.delete(NAME)

        device.sync([NAME, "fragments/0/2.1.0"])
        device.sync([])

        assert names(device, "fragments") == ["fragments/0/2.1.0"]

    def test_capacity_is_sane(self, device: Device) -> None:
        capacity = device.capacity()

        assert 0 < capacity.free_bytes <= capacity.total_bytes
        assert capacity.group

    def test_a_label_is_absent_until_set_and_then_replaced_whole(self, device: Device) -> None:
        with pytest.raises(NameAbsentError):
            device.get_label()
        with pytest.raises(DeviceGoneError):
            device.check_presence()

        device.set_label(b"long first label")
        device.set_label(b"second")

        assert device.get_label() == b"second"
        device.check_presence()

    def test_the_journal_gives_back_its_records_in_order(self, device: Device) -> None:
        records = [entry(one, pattern(one * 1000, one)) for one in range(1, 12)]

        put_entries(device, *records)

        assert journal(device) == records
        assert journal(device, 7) == records[6:]
        assert journal(device, 12) == []

    def test_an_empty_journal_lists_nothing(self, device: Device) -> None:
        assert journal(device) == []
        assert device.journal_set_aside(Generation(1)) == 0
        device.journal_trim(Generation(5))

    def test_repeating_a_record_is_harmless(self, device: Device) -> None:
        put_entries(device, entry(1, b"one"), entry(2, b"two"), entry(1, b"one"), entry(2, b"two"))

        assert journal(device) == [entry(1, b"one"), entry(2, b"two")]

    @pytest.mark.parametrize("other", [entry(1, b"else"), entry(1, b"one", epoch=2)])
    def test_a_record_is_never_replaced(self, device: Device, other: JournalEntry) -> None:
        put_entries(device, entry(1, b"one"), entry(2, b"two"))

        with pytest.raises(NameTakenError):
            put_entries(device, other)

        assert journal(device) == [entry(1, b"one"), entry(2, b"two")]

    def test_records_put_out_of_order_are_listed_in_order(self, device: Device) -> None:
        put_entries(device, *(entry(one, b"r%d" % one) for one in (5, 6, 2, 3, 9, 1)))

        assert journal(device) == [entry(one, b"r%d" % one) for one in (1, 2, 3, 5, 6, 9)]

    def test_a_record_larger_than_a_journal_file_is_kept(self, device: Device) -> None:
        records = [entry(1, b"a"), entry(2, bytes(pattern(17 * MIB))), entry(3, b"c")]

        put_entries(device, *records)

        assert journal(device) == records

    def test_trim_never_drops_a_record_at_or_above_its_bound(self, device: Device) -> None:
        records = [entry(one, pattern(6 * MIB, one)) for one in range(1, 6)]
        put_entries(device, *records)

        device.journal_trim(Generation(5))

        kept = journal(device)
        assert kept[-1] == records[-1]
        assert records[0] not in kept
        put_entries(device, entry(6, b"goes on"))
        assert journal(device, 5) == [records[-1], entry(6, b"goes on")]

    def test_set_aside_frees_the_generations_from_its_start_on(self, device: Device) -> None:
        put_entries(device, *(entry(one, b"old %d" % one) for one in range(1, 7)))

        moved = device.journal_set_aside(Generation(4))

        assert moved == 3
        assert journal(device) == [entry(one, b"old %d" % one) for one in range(1, 4)]
        put_entries(device, entry(4, b"new", epoch=2))
        assert journal(device, 3) == [entry(3, b"old 3"), entry(4, b"new", epoch=2)]

    def test_after_close_every_call_says_that_the_device_is_gone(self, device: Device) -> None:
        device.put(NAME, [b"x"])
        device.journal_put(Generation(1), FIRST_EPOCH, b"x")
        device.close()
        device.close()

        for call in (
            lambda: device.put("fragments/0/2.1.0", [b"x"]),
            lambda: device.get(NAME, offset=0, length=1),
            lambda: device.stat(NAME),
            lambda: device.delete(NAME),
            lambda: device.set_aside(NAME),
            lambda: device.sync([NAME]),
            lambda: list(device.list("fragments")),
            device.capacity,
            device.check_presence,
            device.get_label,
            lambda: device.set_label(b"x"),
            lambda: device.journal_put(Generation(2), FIRST_EPOCH, b"x"),
            lambda: journal(device),
            lambda: device.journal_trim(Generation(1)),
            lambda: device.journal_set_aside(Generation(1)),
        ):
            with pytest.raises(DeviceGoneError):
                call()

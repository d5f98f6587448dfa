"""A device beside two dicts: what is seen now, and what is durable.

Losing power is an ordinary step. Remove one fsync from the directory device
and a short example appears.
"""

from __future__ import annotations

import shutil
import tempfile

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.device.directory_setup import prepare_disk
from engine.device.forgetful import ForgetfulDirectoryDevice
from engine.device.memory import MemoryDevice
from engine.device.names import folder_of
from engine.device.protocol import Device, JournalEntry
from engine.errors import NameAbsentError, NameTakenError
from engine.ids import Epoch, Generation

NAMES = [
    "fragments/0/1.1.0",
    "fragments/0/2.1.0",
    "fragments/1/1025.1.0",
    "fragments/2/deep/3",
    "checkpoints/7",
]
LENGTHS = [0, 1, 100, 4096, 9000, 70_000]


def content(name: str, number: int, length: int) -> bytes:
    return (f"{name} {number} ".encode() * (length // 8 + 1))[:length]


class DeviceMachine(RuleBasedStateMachine):
    """Subclass with a device and with what its ``sync`` makes durable."""

    device: Device

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, bytes] = {}
        self.durable: dict[str, bytes] = {}
        self.quarantine: list[bytes] = []
        self.records: dict[int, tuple[int, bytes]] = {}
        self.label: bytes | None = None
        self.number = 0
        self.device = self.start()

    def start(self) -> Device:
        raise NotImplementedError

    def cut_power(self) -> None:
        raise NotImplementedError

    def made_durable(self, names: list[str]) -> None:
        raise NotImplementedError

    @rule(name=st.sampled_from(NAMES), length=st.sampled_from(LENGTHS))
    def put(self, name: str, length: int) -> None:
        self.number += 1
        data = content(name, self.number, length)
        try:
            self.device.put(name, [data[:4096], data[4096:]])
        except NameTakenError:
            assert name in self.seen
            return
        assert name not in self.seen
        self.seen[name] = data

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        try:
            self.device.delete(name)
        except NameAbsentError:
            assert name not in self.seen
            return
        del self.seen[name]

    @rule(names=st.lists(st.sampled_from(NAMES), max_size=3))
    def sync(self, names: list[str]) -> None:
        known = [name for name in names if name in self.seen]
        self.device.sync(known)
        self.made_durable(known)

    @rule(name=st.sampled_from(NAMES))
    def set_aside(self, name: str) -> None:
        if name not in self.seen:
            with pytest.raises(NameAbsentError):
                self.device.set_aside(name)
            return
        self.device.set_aside(name)
        self.quarantine.append(self.seen.pop(name))
        self.made_durable([name])

    @rule(data=st.binary(min_size=1, max_size=9))
    def set_label(self, data: bytes) -> None:
        self.device.set_label(data)
        self.label = data

    @rule(length=st.sampled_from(LENGTHS), epoch=st.integers(1, 2), skip=st.integers(1, 2))
    def journal_put(self, length: int, epoch: int, skip: int) -> None:
        generation = max(self.records, default=0) + skip
        payload = content("record", generation, length)
        self.device.journal_put(Generation(generation), Epoch(epoch), payload)
        self.records[generation] = (epoch, payload)

    @precondition(lambda self: self.records)
    @rule(data=st.data(), same=st.sampled_from(["same", "other"]))
    def journal_put_again(self, data: st.DataObject, same: str) -> None:
        generation = data.draw(st.sampled_from(sorted(self.records)))
        epoch, payload = self.records[generation]
        if same == "same":
            self.device.journal_put(Generation(generation), Epoch(epoch), payload)
            return
        with pytest.raises(NameTakenError):
            self.device.journal_put(Generation(generation), Epoch(epoch), payload + b"!")

    @rule(back=st.integers(0, 3))
    def journal_set_aside(self, back: int) -> None:
        start = max(self.records, default=0) - back
        moved = [one for one in self.records if one >= start]
        assert self.device.journal_set_aside(Generation(start)) == len(moved)
        for generation in moved:
            del self.records[generation]

    @rule()
    def lose_power(self) -> None:
        self.cut_power()
        self.seen = dict(self.durable)

    @invariant()
    def the_device_shows_what_the_model_shows(self) -> None:
        shown = {
            found.name: bytes(self.device.get(found.name, offset=0, length=found.length_bytes))
            for found in self.device.list("")
        }
        aside = [shown.pop(name) for name in sorted(shown) if name.startswith("quarantine/")]
        assert shown == self.seen
        assert sorted(aside) == sorted(self.quarantine)

    @invariant()
    def the_label_is_the_last_one_set(self) -> None:
        if self.label is not None:
            assert self.device.get_label() == self.label

    @invariant()
    def the_journal_holds_every_record_it_took(self) -> None:
        assert list(self.device.journal_list(Generation(0))) == [
            JournalEntry(Generation(one), Epoch(self.records[one][0]), self.records[one][1])
            for one in sorted(self.records)
        ]


class MemoryMachine(DeviceMachine):
    """The strict double: the very names given to ``sync`` are durable."""

    def start(self) -> Device:
        self.memory = MemoryDevice()
        return self.memory

    def cut_power(self) -> None:
        self.memory.lose_power()

    def made_durable(self, names: list[str]) -> None:
        for name in names:
            if name in self.seen:
                self.durable[name] = self.seen[name]
            else:
                self.durable.pop(name, None)


class DirectoryMachine(DeviceMachine):
    """A real directory: flushing a folder makes all of its names durable."""

    def start(self) -> Device:
        self.path = tempfile.mkdtemp(prefix="device-machine-")
        prepare_disk(self.path)
        self.directory = ForgetfulDirectoryDevice.open(self.path)
        return self.directory

    def _reopen(self) -> None:
        self.device = self.directory = ForgetfulDirectoryDevice.open(self.path)

    def cut_power(self) -> None:
        self.directory.lose_power()
        self._reopen()

    def made_durable(self, names: list[str]) -> None:
        folders = {folder_of(name) for name in names}
        kept = {name: data for name, data in self.durable.items() if folder_of(name) not in folders}
        now = {name: data for name, data in self.seen.items() if folder_of(name) in folders}
        self.durable = kept | now

    @rule()
    def restart(self) -> None:
        self.directory.close()
        self._reopen()
        self.durable = dict(self.seen)

    def teardown(self) -> None:
        self.directory.close()
        shutil.rmtree(self.path)


TestMemoryDevice = MemoryMachine.TestCase
TestForgetfulDirectoryDevice = DirectoryMachine.TestCase

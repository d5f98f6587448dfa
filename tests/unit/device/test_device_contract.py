"""Every device keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import prepare_disk
from engine.device.faulty import FaultyDevice
from engine.device.forgetful import ForgetfulDirectoryDevice
from engine.device.memory import MemoryDevice
from engine.device.protocol import Device
from tests.contracts.device import DeviceContract


class TestMemoryDevice(DeviceContract):
    @pytest.fixture
    def device(self) -> Device:
        return MemoryDevice()


class TestFaultyDeviceWithoutFaults(DeviceContract):
    @pytest.fixture
    def device(self) -> Device:
        return FaultyDevice(MemoryDevice())


class TestDirectoryDevice(DeviceContract):
    @pytest.fixture
    def device(self, tmp_path: Path) -> Iterator[Device]:
        prepare_disk(str(tmp_path))
        device = DirectoryDevice.open(str(tmp_path))
        yield device
        device.close()


class TestForgetfulDirectoryDevice(DeviceContract):
    @pytest.fixture
    def device(self, tmp_path: Path) -> Iterator[Device]:
        prepare_disk(str(tmp_path))
        device = ForgetfulDirectoryDevice.open(str(tmp_path))
        yield device
        device.close()

"""Making a directory a disk, and taking one into use."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Final, TypeAlias

from engine.device.disk_handle import FILE_FLAGS, DiskHandle, lock_disk, open_folder
from engine.device.errors_map import device_error
from engine.device.names import FOLDERS, LABEL_NAME, TMP_FOLDER
from engine.errors import DeviceGoneError, NameTakenError
from engine.format.constants import LABEL_BYTES_MAX

LabelCheck: TypeAlias = Callable[[bytes], bool]
"""Whether a label's bytes are those of the disk that is meant."""

_ROOT_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def prepare_disk(path: str) -> None:
    """Make the folders of a disk inside the existing directory *path*.

    Harmless when repeated before the label is set.

    Raises:
        NameTakenError: *path* carries a label: it is a disk already.
        DeviceGoneError: *path* is missing.
    """
    root = _open_root(path)
    try:
        if LABEL_NAME in os.listdir(root):
            raise NameTakenError(f"{path}: carries a label already")
        for folder in FOLDERS:
            try:
                os.mkdir(folder, 0o700, dir_fd=root)
            except FileExistsError:
                continue
        os.fsync(root)
    except OSError as error:
        raise device_error(error, path) from error
    finally:
        os.close(root)


def open_disk(path: str, expect_label: LabelCheck | None) -> DiskHandle:
    """Open and lock the prepared disk at *path*, and empty its ``tmp/``.

    Nothing is written before directory and label were recognised.
    """
    root = _open_root(path)
    try:
        tmp = _open_tmp(root, path)
        try:
            if expect_label is not None:
                _check_label(root, path, expect_label)
            lock = lock_disk(root, path)
            try:
                _empty_folder(tmp)
                return DiskHandle(path=path, root=root, lock=lock)
            except BaseException:
                os.close(lock)
                raise
        finally:
            os.close(tmp)
    except OSError as error:
        os.close(root)
        raise device_error(error, path) from error
    except BaseException:
        os.close(root)
        raise


def read_label(root: int) -> bytes:
    """Return the label's bytes; one longer than any label is cut behind the bound."""
    descriptor = os.open(LABEL_NAME, FILE_FLAGS, dir_fd=root)
    try:
        return os.pread(descriptor, LABEL_BYTES_MAX + 1, 0)
    finally:
        os.close(descriptor)


def _open_root(path: str) -> int:
    try:
        return os.open(path, _ROOT_FLAGS)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DeviceGoneError(f"{path}: missing") from error
    except OSError as error:
        raise device_error(error, path) from error


def _open_tmp(root: int, path: str) -> int:
    try:
        return open_folder(root, TMP_FOLDER)
    except FileNotFoundError as error:
        raise DeviceGoneError(f"{path}: holds no disk (not mounted?)") from error


def _check_label(root: int, path: str, expect_label: LabelCheck) -> None:
    try:
        label = read_label(root)
    except FileNotFoundError as error:
        raise DeviceGoneError(f"{path}: carries no label") from error
    if not expect_label(label):
        raise DeviceGoneError(f"{path}: carries another label")


def _empty_folder(folder: int) -> None:
    """Remove what writes left behind that a crash cut short."""
    for name in os.listdir(folder):
        try:
            os.unlink(name, dir_fd=folder)
        except IsADirectoryError:
            continue
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            return  # A read-only disk is only read.

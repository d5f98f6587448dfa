"""What programs do to files, on a whole pool: content, names, attributes."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

import pytest

from engine.units import KIB, MIB
from tests.e2e.harness import LivePool

SEED = 20


def _random_bytes(length: int, seed: int = SEED) -> bytes:
    return random.Random(seed).randbytes(length)


def test_a_file_of_ten_megabytes_is_read_as_it_was_copied(
    shared_pool: LivePool, folder: Path
) -> None:
    data = _random_bytes(10 * MIB)
    (folder / "copy").write_bytes(data)

    shared_pool.remount()

    assert (folder / "copy").read_bytes() == data


def test_a_thousand_appends_of_one_byte_are_all_there(folder: Path) -> None:
    wanted = bytes(number % 251 for number in range(1000))

    for number in range(1000):
        with (folder / "log").open("ab") as log:
            log.write(wanted[number : number + 1])

    assert (folder / "log").read_bytes() == wanted


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_writes_and_reads_agree_with_a_plain_file(
    folder: Path, tmp_path: Path, seed: int
) -> None:
    source = random.Random(seed)
    ours = os.open(folder / "file", os.O_RDWR | os.O_CREAT)
    plain = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)

    for step in range(400):
        offset = source.randrange(3 * MIB)
        length = source.choice([1, 100, 4 * KIB, 70 * KIB, 300 * KIB])
        match source.randrange(10):
            case 0 | 1 | 2 | 3 | 4:
                data = source.randbytes(length)
                assert os.pwrite(ours, data, offset) == os.pwrite(plain, data, offset)
            case 5:
                for descriptor in (ours, plain):
                    os.ftruncate(descriptor, offset)
            case 6:
                os.fsync(ours)
            case _:
                assert os.pread(ours, length, offset) == os.pread(plain, length, offset), step
    os.close(ours)
    os.close(plain)

    assert (folder / "file").read_bytes() == (tmp_path / "file").read_bytes()


def test_random_writes_are_the_same_after_a_remount(
    shared_pool: LivePool, folder: Path, tmp_path: Path
) -> None:
    source = random.Random(SEED)
    with (folder / "file").open("wb") as ours, (tmp_path / "file").open("wb") as plain:
        for _ in range(200):
            offset, data = source.randrange(20 * MIB), source.randbytes(source.randrange(200 * KIB))
            for file in (ours, plain):
                file.seek(offset)
                file.write(data)

    shared_pool.remount()

    assert (folder / "file").read_bytes() == (tmp_path / "file").read_bytes()


def test_a_rename_over_a_name_replaces_its_file(folder: Path) -> None:
    (folder / "old").write_bytes(b"old")
    (folder / "new").write_bytes(b"new")

    (folder / "new").rename(folder / "old")

    assert os.listdir(folder) == ["old"]
    assert (folder / "old").read_bytes() == b"new"


def test_a_hard_link_is_the_same_file(folder: Path) -> None:
    (folder / "one").write_bytes(b"first")

    (folder / "two").hardlink_to(folder / "one")
    (folder / "two").write_bytes(b"second")

    assert (folder / "one").read_bytes() == b"second"
    assert (folder / "one").stat().st_nlink == 2
    assert (folder / "one").stat().st_ino == (folder / "two").stat().st_ino


def test_a_symbolic_link_keeps_its_target(folder: Path) -> None:
    (folder / "file").write_bytes(b"content")

    (folder / "link").symlink_to("file")

    assert os.readlink(folder / "link") == "file"
    assert (folder / "link").read_bytes() == b"content"


def test_attributes_survive_a_remount_to_the_nanosecond(
    shared_pool: LivePool, folder: Path
) -> None:
    path = folder / "file"
    path.write_bytes(b"content")
    path.chmod(0o4751)
    os.chown(path, 1234, 5678)
    path.chmod(0o4751)  # chown takes the set-user-id bit away
    os.utime(path, ns=(1_234_567_890_123_456_789, 987_654_321_987_654_321))

    shared_pool.remount()
    found = path.stat()

    assert stat.S_IMODE(found.st_mode) == 0o4751
    assert (found.st_uid, found.st_gid) == (1234, 5678)
    assert (found.st_atime_ns, found.st_mtime_ns) == (
        1_234_567_890_123_456_789,
        987_654_321_987_654_321,
    )


def test_extended_attributes_survive_a_remount(shared_pool: LivePool, folder: Path) -> None:
    (folder / "file").touch()
    os.setxattr(folder / "file", "user.colour", b"blue\0and\xff")

    shared_pool.remount()

    assert os.getxattr(folder / "file", "user.colour") == b"blue\0and\xff"
    assert "user.colour" in os.listxattr(folder / "file")


def test_truncation_cuts_and_grows_with_zeros(shared_pool: LivePool, folder: Path) -> None:
    data = _random_bytes(100 * KIB)
    (folder / "file").write_bytes(data)

    os.truncate(folder / "file", 40 * KIB + 7)
    os.truncate(folder / "file", 80 * KIB)
    shared_pool.remount()

    assert (folder / "file").read_bytes() == data[: 40 * KIB + 7] + bytes(40 * KIB - 7)


def test_a_sparse_file_is_zeros_where_nothing_was_written(folder: Path) -> None:
    with (folder / "sparse").open("wb") as file:
        file.seek(64 * MIB)
        file.write(b"end")

    with (folder / "sparse").open("rb") as file:
        assert file.read(MIB) == bytes(MIB)
        file.seek(64 * MIB - 2)
        assert file.read() == b"\0\0end"
    assert (folder / "sparse").stat().st_blocks * 512 < 2 * MIB


def test_an_unlinked_file_lives_until_it_is_closed(folder: Path) -> None:
    with (folder / "file").open("w+b") as file:
        file.write(b"before")
        (folder / "file").unlink()
        file.write(b" and after")
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)

        assert file.read() == b"before and after"
        assert os.fstat(file.fileno()).st_nlink == 0
    assert os.listdir(folder) == []


def test_a_deep_tree_is_found_again(shared_pool: LivePool, folder: Path) -> None:
    deepest = folder.joinpath(*(f"level{number}" for number in range(60)))
    deepest.mkdir(parents=True)
    (deepest / "leaf").write_bytes(b"far down")

    shared_pool.remount()

    assert (deepest / "leaf").read_bytes() == b"far down"


def test_a_directory_that_moved_keeps_what_is_in_it(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_bytes(b"content")

    (folder / "a").rename(folder / "c")

    assert (folder / "c" / "b" / "file").read_bytes() == b"content"
    assert not (folder / "a").exists()


def test_a_name_of_255_bytes_is_taken(folder: Path) -> None:
    name = "n" * 255

    (folder / name).write_bytes(b"content")

    assert os.listdir(folder) == [name]
    assert (folder / name).read_bytes() == b"content"


def test_a_name_of_256_bytes_is_refused(folder: Path) -> None:
    with pytest.raises(OSError, match="File name too long"):
        (folder / ("n" * 256)).write_bytes(b"content")

    assert os.listdir(folder) == []


def test_a_fifo_and_a_socket_are_kept_as_such(shared_pool: LivePool, folder: Path) -> None:
    os.mkfifo(folder / "fifo", 0o640)
    os.mknod(folder / "socket", 0o600 | stat.S_IFSOCK)

    shared_pool.remount()

    assert stat.S_ISFIFO((folder / "fifo").stat().st_mode)
    assert stat.S_ISSOCK((folder / "socket").stat().st_mode)

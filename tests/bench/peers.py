"""File systems of others with the tolerance of rs:4+2 or near it, where they are installed.

Each is made of files or directories in the run's own folder, with its own defaults
but for access times, which nobody here keeps.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.systems import (
    DISKS,
    CommandError,
    Subject,
    System,
    command,
    drop_kernel_caches,
    find_program,
    sync_file_system,
    until_not_busy,
)

START_S_MAX: Final = 15.0
GLUSTER_PORT: Final = 24007
"""Where its bricks look for their daemon; there is one for each machine."""


def missing(*programs: str) -> str:
    """Return which of *programs* are not installed, as a reason; empty when all are."""
    absent = [name for name in programs if find_program(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def make_devices(folder: Path, size_bytes: int) -> list[Path]:
    """Return sparse files that stand for disks."""
    files = [folder / f"disk{number}" for number in range(DISKS)]
    for file in files:
        file.touch()
        os.truncate(file, size_bytes)
    return files


@dataclass(frozen=True, slots=True)
class Btrfs:
    """btrfs over loop devices: in the kernel, with checksums; raid1 survives one disk."""

    profile: str
    disk_bytes: int

    @property
    def name(self) -> str:
        """With its profile."""
        return f"btrfs {self.profile}"

    def why_not(self) -> str:
        """The kernel must know it."""
        absent = missing("mkfs.btrfs", "losetup")
        if absent:
            return absent
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run(("modprobe", "-q", "btrfs"), check=True, capture_output=True)
        known = Path("/proc/filesystems").read_text(encoding="ascii").split()
        return "" if "btrfs" in known else "this kernel has no btrfs"

    def version(self) -> str:
        """Of the tools; the file system is the kernel's."""
        return command("mkfs.btrfs", "--version").strip()

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[Subject]:
        """Make it on six loop devices."""
        path = folder / "mount"
        path.mkdir()
        loops: list[str] = []
        try:
            for file in make_devices(folder, self.disk_bytes):
                loops.append(command("losetup", "--find", "--show", file).strip())
            # Metadata as safe as the data; raid6 of metadata is not for use.
            metadata = {"raid6": "raid1c3"}.get(self.profile, self.profile)
            command("mkfs.btrfs", "-q", "-f", "-d", self.profile, "-m", metadata, *loops)
            command("mount", "-t", "btrfs", "-o", "noatime", loops[0], path)
            yield Subject(
                name=self.name,
                path=path,
                folder=folder,
                make_durable=lambda: sync_file_system(path),
                cool=drop_kernel_caches,
            )
        finally:
            if os.path.ismount(path):
                until_not_busy("umount", path)
            for loop in loops:
                command("losetup", "--detach", loop)


@dataclass(frozen=True, slots=True)
class ZfsFuse:
    """zfs-fuse with raidz2: checksums, copy on write, two parities, a FUSE server in C."""

    disk_bytes: int
    name: str = "zfs-fuse raidz2"

    def why_not(self) -> str:
        """There is one daemon for a machine; one that runs is not ours to use."""
        absent = missing("zfs-fuse", "zpool", "zfs")
        if absent:
            return absent
        return "its daemon runs already" if _is_answered("zpool", "list") else ""

    def version(self) -> str:
        """It tells none; that of the package, if there is one."""
        return package_version("zfs-fuse")

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[Subject]:
        """Start the daemon and make a pool of files."""
        path, name = folder / "mount", f"bench{os.getpid()}"
        files = make_devices(folder, self.disk_bytes)
        Path("/run/zfs").mkdir(exist_ok=True)
        daemon = _start(
            folder / "log",
            ("zfs-fuse", "--no-daemon", "--no-kstat-mount", "-p", str(folder / "pid")),
        )
        try:
            _wait_until_answered("zpool", "list")
            options = ("-O", "atime=off", "-o", "cachefile=none", "-m", path)
            command("zpool", "create", "-f", *options, name, "raidz2", *files)

            def make_durable() -> None:
                # It does not hear syncfs either. A snapshot waits for the
                # transaction group that holds all before it.
                command("zfs", "snapshot", f"{name}@durable")
                command("zfs", "destroy", f"{name}@durable")

            def cool() -> None:
                until_not_busy("zpool", "export", name)
                drop_kernel_caches()
                command("zpool", "import", "-d", folder, "-o", "cachefile=none", name)

            yield Subject(
                name=self.name, path=path, folder=folder, make_durable=make_durable, cool=cool
            )
        finally:
            with suppress(CommandError):  # Was never made, or the daemon died.
                until_not_busy("zpool", "destroy", "-f", name)
            _end(daemon)
            if os.path.ismount(path):
                command("umount", "-l", path)


@dataclass(frozen=True, slots=True)
class Gluster:
    """GlusterFS with one dispersed volume 4+2, bricks and client on this machine."""

    name: str = "gluster 4+2"

    def why_not(self) -> str:
        """There is one daemon for a machine; one that runs is not ours to use."""
        absent = missing("glusterd", "gluster", "mount.glusterfs")
        if absent:
            return absent
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", GLUSTER_PORT)) == 0:
                return "its daemon runs already"
        return ""

    def version(self) -> str:
        """Its first line says it."""
        return command("gluster", "--version").partition("\n")[0]

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[Subject]:
        """Start a daemon of our own, make a volume and mount it."""
        path, host = folder / "mount", socket.gethostname()
        path.mkdir()
        asked = ("gluster", "--mode=script", f"--glusterd-sock={folder}/socket", "volume")
        daemon = _start(
            folder / "log",
            ("glusterd", "--no-daemon", "-f", str(_glusterd_options(folder))),
            ("-p", str(folder / "pid"), "-l", str(folder / "glusterd.log")),
        )

        def mount() -> None:
            options = f"log-file={folder}/client.log"
            command("mount", "-t", "glusterfs", "-o", options, f"{host}:/bench", path)

        def cool() -> None:
            until_not_busy("umount", path)
            drop_kernel_caches()
            mount()

        try:
            _wait_until_answered(*asked, "list")
            bricks = [f"{host}:{folder}/brick{number}" for number in range(DISKS)]
            shape = ("disperse-data", "4", "redundancy", "2", "transport", "tcp")
            command(*asked, "create", "bench", *shape, *bricks, "force")
            command(*asked, "start", "bench")
            mount()
            yield Subject(
                name=self.name,
                path=path,
                folder=folder,
                # A closed file is with the bricks, and those write to this file system.
                make_durable=lambda: sync_file_system(folder),
                cool=cool,
            )
        finally:
            if os.path.ismount(path):
                until_not_busy("umount", path)
            with suppress(CommandError):  # Was never made.
                command(*asked, "stop", "bench", "force")
                command(*asked, "delete", "bench")
            _end(daemon)
            for log in Path("/var/log/glusterfs/bricks").glob(f"*{folder.name}*"):
                log.unlink()


def _glusterd_options(folder: Path) -> Path:
    """Write the daemon's options, so that everything of it is in *folder*."""
    (folder / "work").mkdir()
    (folder / "run").mkdir()
    lines = {
        "working-directory": folder / "work",
        "run-directory": folder / "run",
        "glusterd-sockfile": folder / "socket",
        "transport-type": "socket",
        "transport.socket.listen-port": GLUSTER_PORT,
    }
    options = "".join(f"    option {name} {value}\n" for name, value in lines.items())
    path = folder / "glusterd.vol"
    path.write_text(f"volume management\n    type mgmt/glusterd\n{options}end-volume\n")
    return path


@dataclass(frozen=True, slots=True)
class Mergerfs:
    """mergerfs over six directories: no redundancy at all, what a plain FUSE in C costs."""

    name: str = "mergerfs"

    def why_not(self) -> str:
        """Only the program."""
        return missing("mergerfs", "fusermount3")

    def version(self) -> str:
        """Its first line says it."""
        return command("mergerfs", "--version").partition("\n")[0]

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[Subject]:
        """Merge six directories."""
        path = folder / "mount"
        path.mkdir()
        branches = [folder / f"d{number}" for number in range(DISKS)]
        for branch in branches:
            branch.mkdir()
        options = "cache.files=partial,category.create=mfs"
        command("mergerfs", "-o", options, ":".join(map(str, branches)), path)
        try:
            yield Subject(
                name=self.name,
                path=path,
                folder=folder,
                make_durable=lambda: sync_file_system(folder),
                cool=drop_kernel_caches,
            )
        finally:
            until_not_busy("umount", path)


def peers(disk_bytes: int) -> tuple[System, ...]:
    """Return all of them; *disk_bytes* is the size of each file that stands for a disk."""
    return (
        Btrfs("raid1", disk_bytes),
        Btrfs("raid6", disk_bytes),
        ZfsFuse(disk_bytes),
        Gluster(),
        Mergerfs(),
    )


def package_version(package: str) -> str:
    """Return the version of a Debian package; empty on other systems."""
    try:
        return command("dpkg-query", "-W", "-f", "${Version}", package)
    except CommandError:
        return ""


def _start(log: Path, *words: Sequence[str]) -> subprocess.Popen[bytes]:
    program, *arguments = [word for part in words for word in part]
    with log.open("wb") as sink:
        return subprocess.Popen(
            [find_program(program) or program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(START_S_MAX)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _is_answered(*words: str) -> bool:
    try:
        command(*words, seconds_max=5.0)
    except CommandError:
        return False
    return True


def _wait_until_answered(*words: str) -> None:
    end_s = time.monotonic() + START_S_MAX
    while not _is_answered(*words):
        if time.monotonic() > end_s:
            raise CommandError(f"{words[0]} does not answer")
        time.sleep(0.1)

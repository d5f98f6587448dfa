"""Mounts for the bridge's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuse.mounting import Served, serve

TREE = "tests.fuse.tree_filesystem:make_tree"
TROUBLED = "tests.fuse.troubled_tree:make_troubled"


@pytest.fixture(scope="session")
def shared_tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One mounted tree for all tests that only use files of their own."""
    with serve(TREE, folder=tmp_path_factory.mktemp("shared")) as mount:
        yield mount


@pytest.fixture
def folder(shared_tree: Served, request: pytest.FixtureRequest) -> Path:
    """An empty directory inside a mounted tree, for this test alone."""
    path = shared_tree.path / f"test-{abs(hash(request.node.nodeid))}"
    path.mkdir()
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Served]:
    """A mounted tree of this test's own, to be counted, killed or stopped."""
    with serve(TREE, folder=tmp_path) as mount:
        yield mount


@pytest.fixture
def troubled(tmp_path: Path) -> Iterator[Served]:
    """A mounted tree with troubles; see ``tests.fuse.troubled_tree``."""
    with serve(TROUBLED, folder=tmp_path) as mount:
        yield mount

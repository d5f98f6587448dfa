"""Pools for the end-to-end tests: one for a module's harmless facts, or one of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import LivePool, live_pool


@pytest.fixture(scope="module")
def shared_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePool]:
    """A mounted pool for all tests of a module that only use files of their own."""
    with live_pool(tmp_path_factory.mktemp("shared-pool")) as pool:
        yield pool


@pytest.fixture
def folder(shared_pool: LivePool, request: pytest.FixtureRequest) -> Path:
    """An empty directory on the shared mount, for this test alone."""
    path = shared_pool.mountpoint / str(request.node.name).replace("/", "-")[:200]
    path.mkdir()
    return path


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[LivePool]:
    """A mounted pool of this test's own, to be broken."""
    with live_pool(tmp_path) as live:
        yield live

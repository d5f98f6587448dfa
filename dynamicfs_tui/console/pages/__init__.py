"""The pages of the console in the order of their numbers. A line here registers one."""

from __future__ import annotations

from typing import Final

from dynamicfs_tui.console.page_spec import PageSpec
from dynamicfs_tui.console.pages import (
    disks,
    events,
    files,
    overview,
    rebuild,
    scrub,
    tiers,
    what_if,
)

PAGES: Final[tuple[PageSpec, ...]] = (
    overview.SPEC,
    disks.SPEC,
    rebuild.SPEC,
    scrub.SPEC,
    tiers.SPEC,
    files.SPEC,
    what_if.SPEC,
    events.SPEC,
)

__all__ = ["PAGES", "PageSpec"]

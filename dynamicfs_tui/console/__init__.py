"""The terminal console of a running pool.

Start it with ``dynamicfs_tui.console.run.run_console``. It draws what
``PoolControl.view`` returns a few times a second and calls the pool's verbs
in threads of its own; it never waits for the engine.

From below upwards: ``text``, ``glyphs`` and ``rates`` (plain values) ->
``*_lines`` (one pure function per pane: view in, lines out) -> ``plans`` and
``actions`` (what keys do, and what that would mean for the pool) -> ``pane``
and ``dialog`` (Textual widgets) -> ``app`` -> ``run``.
"""

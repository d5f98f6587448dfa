"""The terminal console of a running pool.

Start it with ``dynamicfs_tui.console.run.run_console``. It draws what
``PoolControl.view`` returns a few times a second and calls the pool's verbs
in threads; the UI thread never waits for the engine.

From below upwards: ``text``, ``glyphs`` and ``rates`` (plain values) ->
``table`` and ``table_filter`` -> ``*_lines`` and ``disk_detail`` (pure
functions: a scene and a width in, lines out) -> ``pane`` and ``live_table``
(widgets that paint lines) -> ``plans`` and ``question`` (what is asked) ->
``page`` (a numbered screen, and the ``Desk`` it works at) -> ``action`` and
``*_verbs`` (what keys do) -> ``pages`` -> ``actions`` (the registry) ->
``frame`` (header, tabs, footer around a page) -> ``app`` -> ``run``.
``settings`` is the operator's file, ``palette_commands`` names disks and paths in the
palette, ``jump_screen`` moves the focus by letters, ``export`` writes what is shown.

How a page is added
-------------------
1. Write ``pages/NAME.py``. Draw with pure functions ``(Scene, width) ->
   PaneText`` in a ``LivePane``, or describe a table with a ``TableSpec`` and put
   it into a ``LiveTable``: cursor, sort, filter, marks and copying come with it.
2. A page of one pane is ``Page(desk, "NAME", {"NAME": pane})``; a page of more
   subclasses ``Page`` and overrides ``compose``, ``lay_out`` (who is seen, and how
   large; called on every draw, so compare before changing anything), ``enter``
   (Enter), ``go_back`` (Esc; call super first) and ``crumb`` where it needs to.
3. What a key does is an ``Action`` whose ``run`` gets the ``Desk``: ``act`` for a
   verb at once (with its undo), ``ask`` or ``propose`` for a plan first,
   ``inquire`` for a line of text, ``fetch`` for an answer of the engine. An answer
   is kept in the page by ``then``, followed by ``desk.redraw()``. Nothing else may
   call the engine.
4. End the module with ``SPEC = PageSpec(...)``: name, number, titles, badge,
   actions. Add ``NAME.SPEC`` to ``PAGES`` in ``pages/__init__.py``. Tab, key,
   footer, help and palette follow from it; the tests of the registry check that no
   key means two things on one page and that capitals change the pool.
"""

"""What an operator touches: the command line and the terminal console.

Both see the engine through ``engine.status`` only. The command line imports
no Textual; ``dynamicfs_tui.console`` is loaded when a console is wanted.
"""

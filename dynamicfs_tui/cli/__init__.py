"""The ``dynamicfs`` command: arguments in, control verbs out, one sentence on failure.

Reaches the engine through ``engine_gateway`` and the control socket only, and
imports nothing that draws screens before a verb needs it.
"""

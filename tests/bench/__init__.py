"""How fast a mount is, against the limit of the bridge in the same run.

    .venv/bin/python -m tests.bench --rounds 3 /srv/pool /tmp/plain

Every round measures every target once, one after the other, so that whatever
else the machine does hits all alike; the table has medians and the ratio of
each to ``empty``, a file system that does nothing, mounted behind the same
dispatcher in a child process. ``offload`` is the same with every read sent to
a pool thread.

The client is one thread of this process. It runs wherever the scheduler puts
it unless ``--pin`` says otherwise; where client and server run decides more
than the dispatcher does, so the result says which it was.
"""

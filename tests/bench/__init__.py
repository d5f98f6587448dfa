"""How fast a mount is, beside others in the same run: ``./run bench``.

    ./run bench                          everything that is installed here
    ./run bench --quick                  the same in small, to see that it works
    ./run bench --systems host,empty,rs:4+2 --rows create,rename --rounds 5
    ./run bench /srv/a /mnt/b            these directories, beside host and empty

Absolute figures say little: the machine, its load and where the scheduler puts
client and server decide them. Hence every round measures a row on each system,
one right after the other and in an order that alternates, and what is printed
are ratios: medians over the rounds of one system's rate over the other's in the
same round. ``empty`` is a file system that does nothing behind the same bridge,
so the limit of it; ``host`` is the directory that all the others lie on.

Cold means that nothing is in any cache: the kernel's are dropped, and what has a
cache of its own is unmounted and mounted again. Durable means safe from a power
cut, inside the time: by fsync, or by what stands for syncfs where that does not
reach the server (``systems``).

Results go to ``bench-results``: every figure as JSON with facts about the machine,
and a picture.
"""

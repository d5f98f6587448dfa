"""A world of disks that is recorded, and every state a power cut may leave of it.

A ``World`` is a folder with ``disk0``, ``disk1``, … and ``pool``, in which a real
engine runs with its real devices and SQLite. Each change is noted in one list of
events, with the begin and the return of each flush. From the list any state is
built that the machine may show after the power went:

    with World(folder, disk_count=5) as world:
        create_pool(world.pool, disks=[DiskPlan(path=str(one), …) for one in world.disks], …)
        first = world.position
        with Pool(world.pool) as pool:
            …                                   # work; note world.position after each fsync
    for state in world.states(
        seed=7, cuts=range(first, world.position + 1), samples_per_cut=3
    ):
        built = state.build(target)             # target is absent or empty
        with Pool(built.pool) as pool:          # the ordinary devices, nothing recorded
            …                                   # judge by state.position; say state.name
        built.remove()

Positions: ``world.position`` is how many events there were so far. A cut at
``p`` comes after the first ``p`` events, so what was acknowledged at position
``a`` (read after the call returned) is promised in each state with
``state.position >= a``. Which positions there are is the recording's; two runs of
one workload with threads have different lists, one recording has always the
same states under the same names.

What may be lost is what POSIX allows at its strictest:

- Content (write, truncation, preallocation) is durable once an fdatasync of its
  file that began after it has returned; a name once an fsync of its folder did.
- Of the rest any subset arrived. What arrived of one file, or of one name, is
  applied in the order it was done. Different files, names and disks are
  independent; the two halves of a rename are two names.
- A write may arrive torn: some of its 4 KiB or 512 B sectors.
- What hangs below a folder whose own name was lost is lost with it.

For each cut ``states`` gives ``cut 812 nothing``, ``cut 812 everything`` and
``cut 812 sample 0 seed 7``, …; ``world.state("cut 812 sample 0 seed 7")`` gives one
of them again. ``every_state`` lists all of a cut, for small recordings.

A built world can go on: ``with World(built.folder, disk_count=5) as second`` takes
what is there as durable and records what follows, such as a recovery, for a
second cut.

Left out: the lock files and SQLite's ``-shm``, which mean nothing after a cut;
the pool directory's reserve is built as it is, sparse. In a built pool
directory ``pool.toml`` names the built disks. Large fragments are hard links of
files all states share: replace them, never write into them.
"""

from tests.simulation.world import BuiltWorld, CutState, World

__all__ = ["BuiltWorld", "CutState", "World"]

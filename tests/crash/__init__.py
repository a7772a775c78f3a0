"""The crash harness: every change a process makes on disk can be its last, or fail, or be lost.

    faults.c    preloaded; sees each change, numbers and records it, and spoils one
    host.py     a process that forks a child for each run; ``jobs.py`` is what children do
    disk.py     what a power failure may leave, from the record of an undisturbed run
    whole.py    whether a store is whole, and what it says without ids, numbers and clocks
    stage.py    what the tests share

Not covered: stores into shared mappings (a test shows that only scratch files are mapped so), disks
that lie about a sync or damage what was synced, files of more than one machine, and changes that
the kernel orders otherwise than by name and by file.
"""

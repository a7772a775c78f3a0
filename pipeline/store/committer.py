"""The second half of the commit protocol: data files, the journal, the tables.

    Step 2  the journal says that data files of this batch may lie about
    Step 3  the data files are written and made durable
    Step 4  the journal entry is written and made durable: from here on the outcome stands
    Step 5  the tables get their commits, in a fixed order, ``uploads`` last
    Step 6  the state is saved, where there is one
    Step 7  the journal entry is forgotten

A failure before step 4 leaves the store as before the batch, one after it as after the batch: the
next opening completes step 5 from the journal, skipping tables that have the batch already, and
brings the state what it lacks.

Whoever takes the store from a process that hangs makes an entry of its own in the place of that
one's next batch (``_fence``). An entry can be made once: the batch stands already, or never will.
The fence commits nothing to every table, whose versions then are others than the old one's handles
expect; a handle that it opens later it may not commit with (``Lease.check``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import pyarrow.compute as pc

from pipeline.store.delta import ALL_TABLES, DeltaTables, TableCommit
from pipeline.store.epochs import Epoch
from pipeline.store.failures import write_failures
from pipeline.store.journal import Entry, Journal
from pipeline.store.layout import Layout, StoreConfig
from pipeline.store.lease import Lease

Write = Callable[[int], Sequence[TableCommit]]
"""Writes the data files of a batch; gives what it does to each table, in order."""


class Committer:
    """What writes the tables of an open store. Whoever makes one holds the store's lock."""

    def __init__(
        self,
        layout: Layout,
        config: StoreConfig,
        tables: DeltaTables,
        lease: Lease | Epoch | None = None,
    ) -> None:
        self.layout = layout
        self.config = config
        self.tables = tables
        self._lease = lease
        self._journal = Journal(layout.files.at("journal"))
        self._recover()
        self.batch = tables.committed("uploads")

    def commit(
        self, write: Write, then: Callable[[int], None] | None = None,
        offsets: Mapping[str, int] | None = None,
    ) -> int:  # fmt: skip
        """Make what ``write`` writes one durable outcome; gives the batch's number.

        ``then`` saves what follows the tables. ``offsets``: from where a stream goes on, by source;
        they are in the commit of ``uploads``. Raises ``StoreWriteError``; the store is then to be
        closed and opened anew.
        """
        batch = self.batch + 1
        with write_failures():
            # Step 2: data files may lie about
            self._check()
            self._journal.begin(batch)
            try:
                # Step 3: data files
                commits = write(batch)
                self._sync_names(commits)
                # Step 4: the outcome stands
                self._check()
                entry = Entry(batch, tuple(commits), offsets or {})
                self._journal.record(entry)
            except BaseException:
                # Else the next opening needs the files, or sees to them.
                if self.layout.files.fails_for_sure and not self._journal.holds(batch):
                    self._sweep(batch)
                raise
            # Step 5: the tables
            self._bring(entry)
            # Step 6: the state
            if then:
                then(batch)
            # Step 7: forget
            self._journal.forget(batch)
        self.batch = batch
        return batch

    @property
    def last_sequence(self) -> int:
        """The highest sequence of any upload, from the statistics; 0 if there is none."""
        adds = self.tables.adds("uploads")
        return int(pc.max(adds["max.sequence"]).as_py()) if len(adds) else 0

    def _sync_names(self, commits: Sequence[TableCommit]) -> None:
        """Make the names of new data files durable, their bytes are."""
        self.layout.files.at("tables").sync_names(
            f"{commit.table}/{file.path}" for commit in commits for file in commit.added
        )

    def _bring(self, entry: Entry) -> None:
        now = int(time.time() * 1000)
        for change in entry.commits:
            offsets = entry.offsets if change.table == "uploads" else {}
            self.tables.commit(change, entry.batch, now, offsets)

    def _recover(self) -> None:
        """Bring the tables what the journal holds, and remove what a crash left lying about."""
        interrupted = self._journal.interrupted()
        self._journal.clear()
        for entry in self._journal.entries():
            self._complete(entry)
        if self._lease is not None and self._lease.taken:
            self._fence()
        if interrupted is not None:
            if interrupted > self.tables.committed("uploads"):
                self._sweep(interrupted)
            self._journal.abandon()

    def _complete(self, entry: Entry) -> None:
        self._bring(entry)
        self._journal.forget(entry.batch)
        if entry.fence:
            self._sweep(entry.batch)

    def _fence(self) -> None:
        """Let the batch that another process may be at come to nothing, unless it stands."""
        nothing = tuple(TableCommit(name, ()) for name in sorted(ALL_TABLES, key="uploads".__eq__))
        while True:
            fence = Entry(self.tables.committed("uploads") + 1, nothing, fence=True)
            try:
                self._journal.record(fence)
            except FileExistsError:  # it stands
                for entry in self._journal.entries():
                    self._complete(entry)
                continue
            self._complete(fence)
            return

    def _check(self) -> None:
        if self._lease is not None:
            self._lease.check()

    def _sweep(self, batch: int) -> None:
        """Remove the data files of a batch that came to nothing."""
        tables = self.layout.files.at("tables")
        for name in tables.all_names():
            if name.rpartition("/")[2].startswith(f"{batch:08d}-"):
                tables.remove(name)
        self._journal.abandon()

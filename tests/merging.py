"""The real merge of a history, cut into batches in any way, with all that comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from scenario import Sending

from pipeline.core import Processed, process_many
from pipeline.merge.changes import Changes, Partition
from pipeline.merge.decisions import Decided, decide
from pipeline.merge.merge import MergePolicy
from pipeline.merge.state import MemoryState
from pipeline.outcome import Verdict
from pipeline.results import Receipted, history_rows, visit_changes
from rules import load_plan

BUCKETS = 4
Version = tuple[str, int]
"""A key and a sequence."""
FindingKey = tuple[int, int, int, str, str]
"""Sequence, record, order, field, rule."""


@dataclass
class Tables:
    """The current tables of a group as the changes make them, without any file."""

    rows: dict[tuple[Partition, Version], list[tuple[int, dict[str, object]]]] = field(
        default_factory=dict
    )

    def apply(self, changes: Changes, key: str) -> None:
        """Take away what is gone, then add what is new; each must be what it says."""
        for gone in changes.gone:
            named = zip(gone.keys.to_pylist(), gone.sequences.tolist(), strict=True)
            for version in set(named):
                del self.rows[gone.partition, version]
        for new in changes.new:
            for partition in new.where:
                for table_no, table in enumerate(new.at(partition)):
                    for row in table.to_pylist():
                        version = (partition, (row[key], row["sequence"]))
                        self.rows.setdefault(version, [])
                        self.rows[version].append((table_no, row))

    def table(self, number: int) -> list[dict[str, object]]:
        """The rows of one table of the group."""
        return [row for rows in self.rows.values() for n, row in rows if n == number]


@dataclass
class Merging:
    """A state, and all that merges of it have said so far."""

    state: MemoryState = field(default_factory=MemoryState)
    guarded: bool = True
    visits: Tables = field(default_factory=Tables)
    ledger: Tables = field(default_factory=Tables)
    history: list[tuple[int, int, str]] = field(default_factory=list)
    findings: set[FindingKey] = field(default_factory=set)
    verdicts: dict[tuple[int, int], Verdict] = field(default_factory=dict)
    standing: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    held: dict[int, tuple[str, int, int]] = field(default_factory=dict)

    def take(self, processed: Processed, sequences: Sequence[int], mine: set[int]) -> None:
        """Merge a batch; look at its rows ``mine`` only."""
        decided = decide(processed, sequences, self.state, MergePolicy(), guarded=self.guarded)
        self.state.put(*decided.remembered)
        uploads = [
            Receipted(str(sequence), "", "", sequence, envelope)
            for sequence, envelope in zip(sequences, processed.envelopes, strict=True)
        ]
        self.visits.apply(visit_changes(uploads, decided, BUCKETS), "visit_key")
        self.ledger.apply(decided.ledger(BUCKETS), "prescription_id")
        rows = history_rows(uploads, decided).to_pylist()
        self.history += [(r["sequence"], r["record"], r["action"]) for r in rows]
        self._note(decided, sequences, mine)

    def forget(self, sequence: int) -> None:
        """Forget what was said of an upload while it was held."""
        del self.held[sequence]
        self.findings = {found for found in self.findings if found[0] != sequence}
        self.verdicts = {k: v for k, v in self.verdicts.items() if k[0] != sequence}

    def _note(self, decided: Decided, sequences: Sequence[int], mine: set[int]) -> None:
        after, found = decided.processed, decided.processed.findings
        place = {row: _place(after, row, sequences) for row in mine}
        for i in range(len(found)):
            row = int(found.record[i])
            if row in mine:
                rule = after.plan.rules[found.rule[i]].id
                name = found.names[found.field[i]]
                self.findings.add((*place[row], int(found.order[i]), name, rule))
        self.verdicts |= {place[row]: Verdict(after.verdict[row]) for row in mine}
        self.standing |= {
            place[row]: (int(stands[0]), int(stands[1]))
            for row, stands in decided.standing.items() if row in mine
        }  # fmt: skip
        for hold in decided.held:
            month = f"{hold.month // 12}-{hold.month % 12 + 1:02}"
            self.held[sequences[hold.upload]] = (month, hold.deletes, hold.live)


def processed_in(sent: Sequence[Sending], cuts: Iterable[int]) -> Iterator[tuple[Processed, range]]:
    """Batches of a history that end at the cuts, with the sequences of their uploads."""
    edges = sorted({0, len(sent), *(cut % (len(sent) + 1) for cut in cuts)})
    for start, stop in pairwise(edges):
        part = sent[start:stop]
        payloads, envelopes = [one.payload for one in part], [one.envelope for one in part]
        yield process_many(payloads, envelopes, load_plan()), range(start + 1, stop + 1)


def merged(sent: Sequence[Sending], cuts: Iterable[int], guarded: bool = True) -> Merging:
    """A whole history in batches."""
    merging = Merging(guarded=guarded)
    for processed, sequences in processed_in(sent, cuts):
        merging.take(processed, sequences, set(range(processed.batch.visits.rows)))
    return merging


def released(merging: Merging, one: Sending, before: int, sequence: int) -> None:
    """Merge an upload that was held ``before``, now under a sequence of its own."""
    processed = process_many([one.payload], [one.envelope], load_plan())
    merging.forget(before)
    merging.guarded = False
    merging.take(processed, [sequence], set(range(processed.batch.visits.rows)))


def only(processed: Processed, rows: set[int]) -> Processed:
    """The batch as one partition sees it: the other records are left out of the merge."""
    verdict = np.full_like(processed.verdict, Verdict.REJECTED)
    mine = sorted(rows)
    verdict[mine] = processed.verdict[mine]
    return replace(processed, verdict=verdict)


def _place(processed: Processed, row: int, sequences: Sequence[int]) -> tuple[int, int]:
    upload = processed.batch.record_upload[row]
    return sequences[upload], int(processed.batch.record_number[row])


def joined(states: Iterable[MemoryState]) -> Mapping[tuple[str, bytes], bytes | int]:
    """The contents of the states of several partitions as those of one: live counts add up."""
    whole: dict[tuple[str, bytes], bytes | int] = {}
    for state in states:
        for name, key, value in state.contents():
            if name == "live":
                count = int.from_bytes(value, "little")
                whole[name, key] = int(whole.get((name, key), 0)) + count
            else:
                assert (name, key) not in whole, "two partitions know the same"
                whole[name, key] = value
    return whole

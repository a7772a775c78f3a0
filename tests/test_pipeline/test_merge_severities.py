"""What no severity of a rule may bring about: the kernel holds by itself."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.columns import UInt8
from pipeline.kernels.merge_faults import COUNTS, DELETE, NOT_OWN_DELETED, RECORD, UNTOUCHED
from pipeline.merge.keys import columns_of_table, pack_text
from pipeline.merge.merge import MergePolicy, Severities, Work, merge
from pipeline.merge.recall import recall
from pipeline.merge.remember import moments_of
from pipeline.merge.state import MemoryState
from pipeline.merge.state_items import VISIT
from pipeline.merge.visit_items import visit_items
from schemas.fields import fields

ALL_WARN = Severities(rejecting=0)


def test_the_delete_of_anothers_record_takes_nothing_even_where_it_is_only_warned_of() -> None:
    visit = np.zeros(1, VISIT)
    visit["low"], visit["flags"], visit["owner"] = 1 << 59, COUNTS, pack_text("1199010011")
    state = MemoryState()
    state.put(moments_of(visit), {}, {})
    visit["owner"] = pack_text("3500000001")
    known, places = recall(state, visit, np.ones(1, np.uint8), np.zeros((1, 2), np.uint64))
    records = np.zeros(1, RECORD)
    records["entry"], records["original"], records["source"] = places.entry, -1, -1
    records["own"], records["action"], records["normal"] = places.own, DELETE, 1
    after = merge(known, Work(records, visit, np.zeros(1, np.int32)), MergePolicy(), ALL_WARN)
    assert after.broken.tolist() == [1 << NOT_OWN_DELETED]
    assert after.holder.tolist() == [UNTOUCHED]
    assert after.done.tolist() == [0]
    assert after.after.live.tolist() == [1]


def test_a_prescription_has_eight_refills_at_most_whatever_it_says() -> None:
    assert _times("8") == _times("9") == 8


def _times(count: str) -> int:
    texts = {"M15": "G2W4YTA17GEHM3C7SHS8", "H00": "1", "M07": "01", "M26": count, "M29": count}
    rows = pa.table({name: pa.array([texts.get(name)], pa.string()) for name in fields()})
    items, normal = visit_items(columns_of_table(rows), np.zeros(1, np.uint64))
    assert normal.all()
    refills: UInt8 = items["times"][0]
    assert refills[2] == refills[5]
    return int(refills[2])

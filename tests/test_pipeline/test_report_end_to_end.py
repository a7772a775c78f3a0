"""From uploads in both formats, through ``run``, to the reports: as whoever made them expects."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from pipeline.cli import main

RECEIVED = "2024-03-20T21:00"
KEYS = {"A12": "id", "A13": "birth", "A17": "moment", "A23": "type"}


def test_generated_visits_are_matched_as_expected(tmp_path: Path) -> None:
    both, store, out = tmp_path / "both", tmp_path / "store", tmp_path / "out"
    asked = ["generate", "--dual", "--records", "300", "--uploads", "4", "--seed", "3"]
    assert main([*asked, "--faults", "0.08", "--as-of", RECEIVED, "--out", str(both)]) == 0
    run = ["--store", str(store), "--received-at", RECEIVED]
    assert main(["run", str(both / "v1"), *run]) == 0
    for channel in ("web-api", "vpn"):
        sent = both / "precheck" / channel
        if any(sent.glob("*.xml")):
            assert main(["run", str(sent), *run, "--mode", "precheck", "--channel", channel]) == 0
    nightly = ["report", "nightly", "--store", str(store), "--as-of", "2024-03-20"]
    assert main([*nightly, "--out", str(out)]) == 0

    lines = (both / "expected-pairs.jsonl").read_text(encoding="utf-8").splitlines()
    for expected in map(json.loads, lines):
        folder = out / "latest" / "institutions" / expected["institution"]
        told = json.loads((folder / "precheck.json").read_text(encoding="utf-8"))
        total = told["total"]
        assert (total["v1"], total["matched"]) == (expected["v1"], expected["matched"])
        by_vpn = expected["matched"] if expected["channel"] == "vpn" else 0
        assert total["vpn"] == by_vpn
        text = (folder / "unmatched.csv").read_text(encoding="utf-8-sig")
        found = {
            int(row["1.0筆數 v1_record"]): row["不同欄位 differs"]
            for row in csv.DictReader(io.StringIO(text))
        }
        why = {one["record"]: one["why"] for one in expected["unmatched"]}
        assert set(found) == set(why)
        # Where the pre-check is there, what differs is what was made to differ.
        for record, reason in why.items():
            if reason in KEYS:
                assert found[record] == KEYS[reason]

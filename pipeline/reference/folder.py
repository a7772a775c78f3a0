"""A folder of NAME.csv → a snapshot."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pipeline.reference.columns import table_from, version_of
from pipeline.reference.problems import Problem, ReferenceFileError
from pipeline.reference.read_csv import read_csv
from pipeline.references import References
from schemas.reference import REFERENCE_TABLES


def read_folder(folder: Path) -> References:
    """The tables of a folder. Raises ``ReferenceFileError``; a CSV that is no table is one too."""
    tables = {}
    for path in sorted(folder.glob("*.csv")):
        declared = REFERENCE_TABLES.get(path.stem)
        if declared is None:
            names = ", ".join(REFERENCE_TABLES)
            said = Problem(0, f"沒有這個參考表，可用：{names}", "there is no such reference table")
            raise ReferenceFileError(str(path), [said])
        rows = read_csv(declared, path.read_bytes(), str(path))
        tables[path.stem] = table_from(declared, rows, version_of(rows))
    return References(tables)


def samples() -> Path:
    """The folder of sample tables that comes with the package."""
    return Path(str(files("schemas").joinpath("reference_samples")))

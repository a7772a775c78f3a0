"""Files of the current tables, paired: a visits file and the file of those visits' orders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.errors import StoreUnusableError
from pipeline.store.datafiles import DataFile
from pipeline.store.delta import DeltaTables

Partition = tuple[str, int]  # visit month, bucket


@dataclass(frozen=True)
class Pair:
    """A file of ``visits`` and, unless none of them has any, the file of their orders."""

    partition: Partition
    visits: DataFile
    orders: DataFile | None

    @property
    def files(self) -> tuple[DataFile, DataFile | None]:
        return self.visits, self.orders


def committed_pairs(tables: DeltaTables, visits: str, orders: str) -> list[Pair]:
    """The pairs of two current tables. Raises ``StoreUnusableError`` where one lost its other.

    They share partition and name; a foreign writer that rewrites files would break that, and with
    it every correction, so it is told at once.
    """
    orders_at = {_place(file): file for file in tables.files(orders)}
    pairs = []
    for file in tables.files(visits):
        partition = (file.partition["visit_month"], int(file.partition["bucket"]))
        pairs.append(Pair(partition, file, orders_at.pop(_place(file), None)))
    if orders_at:
        stray = next(iter(orders_at.values())).path
        raise StoreUnusableError(
            f"{orders} 的檔案 {stray} 沒有對應的 {visits} 檔；資料表被其他程式改寫過",
            f"{stray} of {orders} has no file in {visits}: another program rewrote the tables",
        )
    return pairs


def _place(file: DataFile) -> PurePosixPath:
    return PurePosixPath(file.path)

"""The tables agree with the field catalogue and survive a round trip through Delta Lake."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from schemas.fields import ORDER_FIELDS, VISIT_FIELDS
from schemas.tables import ORDERS, TABLES, VISITS


def test_every_field_of_the_catalogue_is_a_string_column() -> None:
    for schema, names in ((VISITS, VISIT_FIELDS), (ORDERS, ORDER_FIELDS)):
        assert [n for n in names if schema.field(n).type != pa.string()] == []
        assert [n for n in schema.names if n in names] == list(names)


@pytest.mark.parametrize("name", TABLES)
def test_column_names_are_unique_and_partitions_exist(name: str) -> None:
    table = TABLES[name]
    assert len(set(table.schema.names)) == len(table.schema.names)
    assert set(table.partition_by) <= set(table.schema.names)


@pytest.mark.parametrize("name", TABLES)
def test_delta_keeps_columns_types_and_nullability(name: str, tmp_path: Path) -> None:
    table = TABLES[name]
    DeltaTable.create(
        str(tmp_path / name), schema=table.schema, partition_by=list(table.partition_by)
    )
    kept = DeltaTable(str(tmp_path / name))
    assert kept.metadata().partition_columns == list(table.partition_by)
    back = pa.schema(kept.schema().to_arrow())
    assert [(f.name, f.nullable) for f in back] == [(f.name, f.nullable) for f in table.schema]
    same = [f.type == table.schema.field(f.name).type or pa.types.is_map(f.type) for f in back]
    assert all(same)

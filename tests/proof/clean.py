"""Records of a generated country that break no rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from lxml import etree

from pipeline.generate import generate
from pipeline.taipei import TAIPEI
from rules.model import Base

RECEIVED = datetime(2025, 6, 20, 21)  # outside the weeks in which rules on typhoon codes differ


def clean_records(folder: Path, records: int, seed: int) -> list[Base]:
    """As many generated records, each as the base of examples; ``folder`` takes their uploads."""
    generate(records, records // 60, seed, 0.0, folder, RECEIVED.replace(tzinfo=TAIPEI))
    return [record for path in sorted(folder.glob("*.xml")) for record in _records(path)]


def _records(path: Path) -> Iterator[Base]:
    text = re.sub(r"\A<\?xml[^>]*\?>", "", path.read_bytes().decode("cp950"))
    for number, element in enumerate(etree.fromstring(text.encode()).iter("REC"), start=1):
        visit = _cells(element.find("MSH")) | _cells(element.find("MB/MB1"))
        orders = tuple(_cells(order) for order in element.findall("MB/MB2"))
        yield Base(f"{path.name}:{number}", RECEIVED.isoformat(), visit["M05"], visit, orders)


def _cells(segment: etree._Element | None) -> dict[str, str]:
    assert segment is not None
    return {str(element.tag): element.text or "" for element in segment}

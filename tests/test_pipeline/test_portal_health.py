"""When a light of the health page turns amber or red."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pipeline.desk.health import Health
from pipeline.intake.settling import SettlingHealth
from pipeline.reference.kept import Loaded
from pipeline.taipei import TAIPEI
from pipeline.web.portal.insurer_health_words import Light, signals, worst
from schemas.reference import REFERENCE_TABLES

NOW = datetime(2025, 12, 21, 21, tzinfo=TAIPEI)
SETTLING = SettlingHealth(True, 0, 0, 0.0, 0, NOW - timedelta(seconds=30), None)
GIB = 1024**3
ALL = tuple(Loaded(name, "v", 1) for name in REFERENCE_TABLES)
FINE = Health(SETTLING, NOW, 50 * GIB, 100 * GIB, "plan", "0.1.0", ALL)


def settling(**changed: object) -> Health:
    return replace(FINE, settling=replace(SETTLING, **changed))  # type: ignore[arg-type]


def test_all_is_fine() -> None:
    assert {signal.light for signal in signals(FINE, NOW)} == {"good"}


@pytest.mark.parametrize(
    ("health", "light"),
    [
        (settling(alive=False), "bad"),
        (settling(fault="No space left on device"), "bad"),
        (settling(waiting=3, oldest_seconds=59.0), "good"),
        (settling(waiting=3, oldest_seconds=61.0), "warn"),
        (settling(waiting=3, oldest_seconds=601.0), "bad"),
        (settling(failed=1), "warn"),
        (settling(last_commit=NOW - timedelta(hours=3)), "good"),
        (settling(last_commit=NOW - timedelta(hours=3), waiting=1), "warn"),
        (replace(settling(last_commit=None), committed_at=None), "good"),
        (replace(FINE, disk_free=9 * GIB), "warn"),
        (replace(FINE, disk_free=2 * GIB), "bad"),
        (replace(FINE, disk_free=GIB, disk_total=2 * GIB), "bad"),
        (replace(FINE, references=ALL[1:]), "warn"),
        (replace(FINE, references=()), "warn"),
    ],
)
def test_lights(health: Health, light: Light) -> None:
    found = signals(health, NOW)
    assert worst(found) == light
    assert all(all(signal.todo) for signal in found if signal.light != "good")
    assert all(all(signal.name) and all(signal.says) for signal in found)

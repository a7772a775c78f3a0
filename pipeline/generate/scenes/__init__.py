"""Scenes: what happens at each kind of institution, and how often."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from pipeline.generate.country import Kind
from pipeline.generate.desk import Desk
from pipeline.generate.record import Record
from pipeline.generate.scenes import clinic, dispensing, hospital, other_kinds, upkeep
from pipeline.generate.scenes.abnormal import CODES, as_abnormal

Scene = Callable[[Desk], Record | None]
"""Builds a record, or ``None`` where it needs an earlier one that is not there."""

_UPKEEP: dict[Scene, float] = {
    upkeep.correction: 1.5, upkeep.delete: 0.4, upkeep.cancel: 0.4, upkeep.undo: 0.2,
}  # fmt: skip
_RARE: dict[Scene, float] = {
    clinic.makeup: 1.5, clinic.makeup_missing: 0.4, clinic.occupational: 0.4,
    clinic.same_day: 0.5, clinic.repeated_reason: 0.5,
    clinic.disaster: 0.1,
}  # fmt: skip
_WESTERN: dict[Scene, float] = {
    clinic.plain: 55, clinic.handed_over: 14, clinic.treated: 8, clinic.refill_in_house: 5,
    clinic.refill_handed_over: 4, clinic.controlled_refill: 0.5, clinic.course: 4,
    clinic.preventive: 3, clinic.newborn: 0.5, clinic.makeup_newborn: 0.2,
    clinic.antiviral: 0.4, dispensing.dispense_own: 1.5, other_kinds.vaccination: 0.5,
    other_kinds.allergy: 0.1, other_kinds.test_result: 0.1, other_kinds.hepatitis_test: 0.1,
    **_RARE, **_UPKEEP,
}  # fmt: skip

SCENES: dict[Kind, dict[Scene, float]] = {
    "western": _WESTERN,
    "dental": {clinic.treated: 70, clinic.plain: 20, clinic.course: 2, **_RARE, **_UPKEEP},
    "chinese": {clinic.plain: 50, clinic.treated: 15, clinic.course: 28, **_RARE, **_UPKEEP},
    "hospital": {
        **_WESTERN, hospital.emergency: 8, hospital.urgent_care: 0.1, hospital.referred: 4,
        hospital.dialysis: 3, hospital.admission: 2, hospital.discharge: 2,
        hospital.during_stay: 6, hospital.scheduled: 5, hospital.home_care: 1,
        hospital.cancer_plan: 0.3, hospital.long_stay: 0.1,
    },
    "pharmacy": {
        dispensing.dispense: 55, dispensing.dispense_refill: 44, dispensing.transitional: 1,
        upkeep.correction: 1,
    },
}  # fmt: skip

MAIN: dict[Kind, Callable[[Desk], Record]] = {
    "western": clinic.plain,
    "dental": clinic.treated,
    "chinese": clinic.plain,
    "hospital": clinic.plain,
    "pharmacy": dispensing.dispense,
}
"""The scene that always works, taken where another can't."""


def _abnormal(desk: Desk) -> Record:
    """The main scene of an institution where the card could not be read."""
    record = MAIN[desk.institution.kind](desk)
    as_abnormal(record, desk.rng.choice(CODES))
    record.scene = "abnormal"
    return record


@cache
def named_scenes(kind: Kind) -> dict[str, Scene]:
    """The scenes of a kind of institution by name, for faults that ask for one."""
    named = {getattr(scene, "__name__", ""): scene for scene in SCENES[kind]}
    if kind in ("western", "chinese"):
        named["new_contract"] = other_kinds.new_contract
    return {**named, "abnormal": _abnormal}


_ABNORMAL = 0.03
_NEVER_ABNORMAL = ("correction", "cancer_plan", "antiviral")


def build(desk: Desk, scene: Scene) -> Record:
    """A record of a scene; some turn abnormal, and new contracts mostly upload under G000."""
    kind = desk.institution.kind
    if desk.institution.new_contract and scene is clinic.plain:
        return other_kinds.new_contract(desk)
    record = scene(desk) or MAIN[kind](desk)
    normal = record.visit["H01"] == "A" and record.visit["H00"] == "1"
    if normal and record.scene not in _NEVER_ABNORMAL and desk.rng.random() < _ABNORMAL:
        as_abnormal(record, desk.rng.choice(CODES))
        record.scene = "abnormal"
    return record

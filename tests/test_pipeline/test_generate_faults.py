"""Every kind of fault, in every vendor's style, gives exactly the findings its planter wrote down.

Two independent sources meet here: the rule catalogue and the generator's table of faults.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from answers import answers, comparable

from pipeline.generate import DEFAULT_AS_OF
from pipeline.generate.chains import Books, Market, Origin, Prescription
from pipeline.generate.country import Kind, Population, institutions
from pipeline.generate.desk import Desk, Signatures
from pipeline.generate.expect import Expectations, refused
from pipeline.generate.faults import FAULTS, REFUSALS, STRUCTURAL, Fault
from pipeline.generate.moments import DAY, moment_of
from pipeline.generate.record import Record
from pipeline.generate.render import head, render, tail
from pipeline.generate.scenes import MAIN, SCENES, named_scenes
from pipeline.generate.style import STYLES, Style

AS_OF = moment_of(DEFAULT_AS_OF)
KINDS: tuple[Kind, ...] = ("western", "hospital", "pharmacy", "chinese", "dental")
Case = tuple[bytes, dict[str, Any]]
_MADE_FROM_OTHERS = {"abnormal", "new_contract"}  # not scenes of their own


def desk(kind: Kind, style: Style, seed: int) -> Desk:
    """An institution with an open prescription of its own, a cancelled one, and a sent record."""
    rng = Random(seed)
    known = institutions(5, rng)
    institution = next(i for i in known if i.kind == kind)
    prescribers = [i.code for i in known if i.kind in ("western", "hospital")]
    population = Population(500, seed, AS_OF // DAY - 60)
    made = Desk(
        rng, replace(institution, style=style), population, prescribers, AS_OF, Signatures(rng),
        Books(), Market(),
    )  # fmt: skip
    record = MAIN[kind](made)
    made.books.note(record, institution.code)
    made.books.prescriptions.append(prescription(made))
    made.books.cancelled.append(prescription(made))
    return made


def prescription(at: Desk) -> Prescription:
    person, moment = at.person(), AS_OF - 30 * DAY
    made, _ = at.mint(person, moment)
    origin = Origin(person, made, at.institution.code, "0004", moment)
    return Prescription(origin, "C", 28, 3, 2, "I10", (("AC12345100", 28),))


def upload(at: Desk, record: bytes) -> tuple[bytes, int]:
    """An upload of a right record and ``record``; the offset of the second."""
    before = head(at.style) + render(MAIN[at.institution.kind](at), at.style)
    return before + record + tail(at.style), len(before)


def planted(fault: Fault, style: Style, seed: int) -> Case:
    """A fault at the first kind of institution that plays one of its scenes."""
    for kind in KINDS:
        playable = [scene for scene in fault.scenes if scene in named_scenes(kind)]
        for attempt in range(40 if playable else 0):
            at = desk(kind, style, seed * 1000 + attempt)
            record = named_scenes(kind)[at.rng.choice(playable)](at)
            sites = fault.plant(at, record) if record else None
            if record and sites:
                written = render(record, style)
                payload, offset = upload(at, written)
                expected = Expectations()
                expected.wrote(orders_before(payload, offset))
                expected.planted(fault, sites, written, offset)
                expected.wrote(len(record.orders))
                return payload, expected.answer("x")
    raise AssertionError(f"{fault.name} can't be planted anywhere")


def orders_before(payload: bytes, offset: int) -> int:
    return payload[:offset].count(b"<MB2>")


def check(cases: list[Case], names: list[str]) -> None:
    got = answers(names, [payload for payload, _ in cases], DEFAULT_AS_OF)
    wrong = []
    for name, answer, (_, expected) in zip(names, got, cases, strict=True):
        if comparable(answer) != comparable({**expected, "upload": name}):
            wrong.append((name, answer, expected))
    assert wrong == []


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_each_fault_gives_its_findings_and_no_other(style: Style) -> None:
    cases = [planted(fault, style, seed) for seed, fault in enumerate(FAULTS)]
    check(cases, [fault.name for fault in FAULTS])


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_each_structural_fault_rejects_only_its_record(style: Style) -> None:
    cases: list[Case] = []
    for seed, fault in enumerate(STRUCTURAL):
        at = desk("hospital", style, seed)
        record: Record = MAIN["hospital"](at)
        broken = fault.plant(render(record, style), at.rng)
        assert broken is not None
        payload, offset = upload(at, broken.payload)
        expected = Expectations()
        expected.wrote(orders_before(payload, offset))
        expected.broken(fault.code, broken, offset)
        expected.wrote(len(record.orders))
        cases.append((payload, expected.answer("x")))
    check(cases, [f.name for f in STRUCTURAL])


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_each_refusal_names_its_offset(style: Style) -> None:
    cases: list[Case] = []
    for seed, fault in enumerate(REFUSALS):
        at = desk("western", style, seed)
        whole, _ = upload(at, render(MAIN["western"](at), style))
        payload, offset = fault.plant(whole, at.rng)
        cases.append((payload, refused("x", fault.code, offset)))
    check(cases, [f.name for f in REFUSALS])


def test_a_planter_that_lied_would_be_caught() -> None:
    payload, expected = planted(FAULTS[0], STYLES[0], 1)
    expected["findings"][0]["length"] += 1
    with pytest.raises(AssertionError):
        check([(payload, expected)], ["x"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_scene_is_right(kind: Kind) -> None:
    cases: list[Case] = []
    names: list[str] = []
    for seed, style in enumerate(STYLES):
        for scene in SCENES[kind]:
            at = desk(kind, style, seed)
            record = scene(at)
            if record is not None:
                payload, _ = upload(at, render(record, style))
                expected = Expectations()
                expected.wrote(payload.count(b"<MB2>") - len(record.orders))
                expected.wrote(len(record.orders))
                cases.append((payload, expected.answer("x")))
                names.append(f"{record.scene}-{style.name}")
    check(cases, names)
    assert {name.split("-")[0] for name in names} >= named_scenes(kind).keys() - _MADE_FROM_OTHERS


def test_the_faults_are_many_and_differ() -> None:
    names = [f.name for f in FAULTS] + [s.name for s in STRUCTURAL] + [r.name for r in REFUSALS]
    assert len(set(names)) == len(names)
    assert len({fault.code for fault in FAULTS}) >= 90


def test_shifted_receipt_makes_visits_too_old() -> None:
    at = desk("western", STYLES[0], 3)
    payload, _ = upload(at, b"")
    later = answers(["x"], [payload], DEFAULT_AS_OF + timedelta(days=160))
    assert [f["code"] for f in later[0]["findings"]] == ["BH"]

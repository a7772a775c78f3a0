"""The desk: whoever asks learns nothing of institutions that aren't theirs, not even that it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
from desk_rooms import (
    AUDITOR,
    INSURER,
    LAST_NIGHT,
    NOBODY,
    OF_X,
    OF_Y,
    STRANGER,
    VENDOR,
    Room,
    X,
    Y,
    Z,
    open_room,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from senders import EVENING, payload
from visit_records import PERSON, PHARMACY, SOMEBODY_ELSE, dispensing, refill, upload, visit

from pipeline.accounts.who import Who
from pipeline.desk.desk import Desk
from pipeline.desk.errors import NotThereError
from pipeline.report.answer import Answer
from pipeline.run import RunOptions, run
from rules import load_plan

TODAY = EVENING.date()
DAY = 86_400
OF_PHARMACY = Who("8", "pharmacy", "clinic", frozenset({PHARMACY}))
EVERYBODY = (OF_X, OF_Y, VENDOR, OF_PHARMACY, STRANGER, NOBODY, INSURER, AUDITOR)
INSTITUTIONS = (X, Y, Z, PHARMACY)
PRESCRIPTION = refill(Y, PERSON, LAST_NIGHT - DAY * 30, chronic=3, legs="1")
DISPENSED = dispensing(PHARMACY, PRESCRIPTION, LAST_NIGHT - DAY, chronic="2")
VISITS = {
    X: visit(X, PERSON, LAST_NIGHT), Y: PRESCRIPTION, PHARMACY: DISPENSED,
    Z: visit(Z, SOMEBODY_ELSE, LAST_NIGHT + 60),
}  # fmt: skip


NOT_THERE = ("NotThereError", str(NotThereError()))


class World:
    """Interleaved uploads of everybody: stored, told and not yet stored, refused, held, and one
    that names nobody. ``sent`` are upload ids by institution (``None``: nobody)."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.sent: dict[str | None, list[str]] = {name: [] for name in (*INSTITUTIONS, None)}
        for n in range(2):
            self.send_round(n)
            room.commit()
        self.send_round(2)

    def send_round(self, n: int) -> None:
        """An upload or two of each."""
        for name in (Y, X, PHARMACY, Z):
            good = VISITS[name]
            self._sent(
                name, self.room.send(name, good if n == 0 else good.but(M44="1"), good.broken())
            )
            self._sent(name, self.room.send(name, good, mode="precheck"))
        self._sent(X, self.room.send_bytes(X, b"<RECS>"))
        self._sent(Y, self.room.send_bytes(Y, b"<RECS>"))
        if n == 1:
            many = [visit(Y, SOMEBODY_ELSE, LAST_NIGHT + 60 * n) for n in range(30)]
            self._sent(Y, self.room.send(Y, *many))
            self._sent(Y, self.room.send(Y, *(one.as_format("D") for one in many)))

    def _sent(self, name: str | None, upload_id: str) -> None:
        self.sent[name].append(upload_id)

    @property
    def uploads(self) -> list[tuple[str | None, str]]:
        """Every upload id with its institution."""
        return [(name, one) for name, ids in self.sent.items() for one in ids]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    nameless = folder / "nameless.xml"
    nameless.write_bytes(b"no document at all")
    run([nameless], folder / "store", load_plan(), RunOptions(received_at=EVENING))
    with open_room(folder) as room:
        made = World(room)
        rows = room.desk._overview._uploads.where(pl.col("institution").is_null()).collect()
        made.sent[None] = rows["upload_id"].to_list()
        assert len(made.sent[None]) == 1
        yield made


OF_UPLOAD: dict[str, Callable[[Desk, Who, str], Any]] = {
    "receipt": lambda desk, who, one: desk.receipt(who, one),
    "reopen": lambda desk, who, one: desk.reopen(who, one),
    "record": lambda desk, who, one: desk.record(who, one, 1),
    "visit_of_record": lambda desk, who, one: desk.visit_of_record(who, one, 1),
    "decide_held": lambda desk, who, one: desk.decide_held(who, one, "release"),
}
OF_INSTITUTION: dict[str, Callable[[Desk, Who, str], Any]] = {
    "results": lambda desk, who, name: desk.results(who, name, TODAY, TODAY),
    "precheck": lambda desk, who, name: desk.precheck(who, name, TODAY),
    "visit": lambda desk, who, name: desk.visit(who, name, VISITS[name].id),
    "trial": lambda desk, who, name: desk.trial(
        who, payload(upload([VISITS[name]])), name, "official"
    ),
}
OF_INSURER: dict[str, Callable[[Desk, Who], Any]] = {
    "institutions": lambda desk, who: desk.institutions(who),
    "search": lambda desk, who: desk.search(who, X),
    "day": lambda desk, who: desk.day(who),
    "held": lambda desk, who: desk.held(who),
    "health": lambda desk, who: desk.health(who),
}


def test_every_question_is_asked() -> None:
    public = {name for name in vars(Desk) if not name.startswith("_")}
    assert public == {*OF_UPLOAD, *OF_INSTITUTION, *OF_INSURER}


@pytest.mark.parametrize("question", OF_UPLOAD)
@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.name)
def test_foreign_uploads_are_not_there(world: World, question: str, who: Who) -> None:
    nobody = said(OF_UPLOAD[question], world.room.desk, who, "0" * 26)
    for institution, upload_id in world.uploads:
        if not who.sees(institution):
            assert said(OF_UPLOAD[question], world.room.desk, who, upload_id) == nobody


@pytest.mark.parametrize("question", OF_INSTITUTION)
@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.name)
def test_foreign_institutions_are_not_there(world: World, question: str, who: Who) -> None:
    for institution in INSTITUTIONS:
        asked = OF_INSTITUTION[question], world.room.desk, who, institution
        may = who.owns(institution) if question == "trial" else who.sees(institution)
        assert (said(*asked) == NOT_THERE) == (not may)


@pytest.mark.parametrize("question", OF_INSURER)
@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.name)
def test_the_insurers_questions_are_the_insurers(world: World, question: str, who: Who) -> None:
    if who.of_insurer:
        OF_INSURER[question](world.room.desk, who)
        return
    with pytest.raises(NotThereError):
        OF_INSURER[question](world.room.desk, who)


def test_an_institution_sees_all_of_its_own(world: World) -> None:
    for institution, upload_id in world.uploads:
        who = Who("9", "own", "clinic", frozenset({institution} if institution else ()))
        for asker in (who, INSURER) if institution else (INSURER,):
            assert world.room.desk.receipt(asker, upload_id).institution == institution
    for name in INSTITUTIONS:
        who = Who("9", "own", "clinic", frozenset({name}))
        listed = {
            row["upload_id"] for row in world.room.desk.results(who, name, TODAY, TODAY).uploads
        }
        assert listed == set(world.sent[name])


def test_the_insurers_people_ask_for_no_downloads(world: World) -> None:
    for who in (INSURER, AUDITOR):
        with pytest.raises(NotThereError):
            world.room.desk.reopen(who, world.sent[X][0])


def test_a_prescription_tells_each_side_its_own_part(world: World) -> None:
    desk = world.room.desk
    of_issuer = desk.visit(OF_Y, Y, PRESCRIPTION.id)
    assert [row["status"] for row in of_issuer.prescriptions] == ["dispensed", "dispensed", "open"]
    assert [row["by_institution"] for row in of_issuer.prescriptions] == [Y, None, None]
    of_pharmacy = desk.visit(OF_PHARMACY, PHARMACY, DISPENSED.id)
    assert [row["institution"] for row in of_pharmacy.prescriptions] == [None] * 3
    assert [row["by_institution"] for row in of_pharmacy.prescriptions] == [None, PHARMACY, None]
    assert desk.visit(INSURER, None, DISPENSED.id).prescriptions[0]["institution"] == Y
    with pytest.raises(NotThereError):
        desk.visit(OF_PHARMACY, PHARMACY, PRESCRIPTION.id)


def test_the_same_visit_sent_by_another_is_each_ones_own(world: World) -> None:
    room, stolen = world.room, VISITS[X].but(M05=Z)
    world.sent[Z].append(room.send(Z, stolen))
    room.commit()
    of_z = Who("9", "z", "clinic", frozenset({Z}))
    assert {v.upload["institution"] for v in room.desk.visit(of_z, Z, stolen.id).versions} == {Z}
    assert {v.upload["institution"] for v in room.desk.visit(OF_X, X, stolen.id).versions} == {X}
    everything = room.desk.visit(INSURER, None, stolen.id)
    assert {v.upload["institution"] for v in everything.versions} == {X, Z}


def test_names_are_found_where_they_are(world: World) -> None:
    for name in INSTITUTIONS:
        for question in (OF_UPLOAD["receipt"], OF_UPLOAD["record"]):
            told = question(world.room.desk, INSURER, world.sent[name][0])
            assert any(name in text for text in texts(told))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_ever_names_a_foreign_institution(world: World, data: st.DataObject) -> None:
    own = data.draw(st.frozensets(st.sampled_from([*INSTITUTIONS, "3500009999"])))
    who = Who("9", "any", data.draw(st.sampled_from(["clinic", "vendor"])), own)
    foreign = {name for name in INSTITUTIONS if name not in own}
    if Y not in foreign or PHARMACY not in foreign:
        foreign -= {Y, PHARMACY}  # either's records name the other by M16 and M17, as they must
    upload_id = data.draw(st.sampled_from(world.uploads))[1]
    institution = data.draw(st.sampled_from(INSTITUTIONS))
    question, *asked = data.draw(st.sampled_from([
        *((question, upload_id) for question in OF_UPLOAD.values()),
        *((question, institution) for question in OF_INSTITUTION.values()),
        *((question,) for question in OF_INSURER.values()),
    ]))  # fmt: skip
    told = said(question, world.room.desk, who, *asked)
    ids = {one for name, one in world.uploads if name in foreign or name is None}
    named = set(texts(told))
    assert not {text for text in named if any(name in text for name in foreign | ids)}


def said(question: Callable[..., Any], *asked: Any) -> Any:
    """The answer to a question, or the refusal of it."""
    try:
        return question(*asked)
    except NotThereError as refusal:
        return type(refusal).__name__, str(refusal)


def texts(told: Any) -> Iterator[str]:
    """All texts in an answer, however deep, but for what is of every institution alike."""
    match told:
        case str() | bytes():
            yield told if isinstance(told, str) else told.decode("cp950", "replace")
        case np.ndarray():
            yield told.tobytes().decode("latin-1") if told.dtype == np.uint8 else ""
        case dict():
            for key, value in told.items():
                yield from (*texts(key), *texts(value))
        case list() | tuple() | set() | frozenset():
            for value in told:
                yield from texts(value)
        case pl.DataFrame():
            yield from texts(told.to_dicts())
        case _ if is_dataclass(told) and not isinstance(told, type):
            for one in fields(told):
                if one.name != "plan" or not isinstance(told, Answer):
                    yield from texts(getattr(told, one.name))
        case _:
            return

"""One upload: its records, their bytes, and what to expect of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any

from pipeline.generate.country import Kind
from pipeline.generate.desk import Desk
from pipeline.generate.expect import Expectations, refused
from pipeline.generate.faults import FAULTS, REFUSALS, STRUCTURAL, Fault, Site
from pipeline.generate.plan import Upload
from pipeline.generate.record import Record
from pipeline.generate.render import head, render, tail
from pipeline.generate.scenes import MAIN, SCENES, build, named_scenes

REFUSED_SHARE = 0.3  # refused uploads for each faulty record: a share of the fault rate
# A program that writes a wrong structure does so again and again, others never do.
_SLOPPY_SHARE = 0.5  # uploads of such programs: a share of the fault rate
_STRUCTURAL_SHARE = 0.3  # of the faulty records in their uploads


@dataclass(frozen=True)
class Written:
    """An upload's name and bytes, and the line of ``expected.jsonl`` for it."""

    name: str
    payload: bytes
    expected: dict[str, Any]
    records: int
    faulty: int
    orders: int

    @property
    def refused(self) -> bool:
        return self.expected["refusal"] is not None


def write_upload(desk: Desk, upload: Upload, faults: float) -> Written:
    """Make an upload; ``faults`` is the share of its records that get one."""
    if faults and desk.rng.random() < faults * REFUSED_SHARE:
        return _write_refused(desk, upload)
    sheet = _Sheet(desk, sloppy=bool(faults) and desk.rng.random() < faults * _SLOPPY_SHARE)
    scenes = SCENES[upload.institution.kind]
    cumulative = list(accumulate(scenes.values()))
    for scene in desk.rng.choices(list(scenes), cum_weights=cumulative, k=upload.records):
        if faults and desk.rng.random() < faults:
            sheet.write_faulty()
        else:
            sheet.write(build(desk, scene), keep=True)
    return sheet.finish(upload)


def _write_refused(desk: Desk, upload: Upload) -> Written:
    """An upload of right records that is refused as a whole, so nothing of it counts."""
    sheet = _Sheet(desk, sloppy=False)
    for _ in range(upload.records):
        sheet.write(MAIN[upload.institution.kind](desk), keep=False)
    whole = sheet.finish(upload)
    fault = desk.rng.choice(REFUSALS)
    payload, offset = fault.plant(whole.payload, desk.rng)
    expected = refused(upload.name, fault.code, offset)
    return Written(upload.name, payload, expected, whole.records, 0, whole.orders)


class _Sheet:
    """The bytes of an upload in the making; a ``sloppy`` program errs in structure too."""

    def __init__(self, desk: Desk, *, sloppy: bool) -> None:
        self._desk = desk
        self._sloppy = sloppy
        self._parts = [head(desk.style)]
        self._size = len(self._parts[0])
        self._expected = Expectations()
        self._faulty = 0

    def write(self, record: Record, *, keep: bool) -> None:
        """A right record; with ``keep``, later records may refer to it."""
        self._append(render(record, self._desk.style), len(record.orders))
        if keep:
            self._desk.books.note(record, self._desk.institution.code)
            if record.afterwards:
                record.afterwards()

    def write_faulty(self) -> None:
        """A record with one fault that suits the institution."""
        self._faulty += 1
        first = self._expected.records == 0
        structural = self._sloppy and self._desk.rng.random() < _STRUCTURAL_SHARE
        if structural and not first:
            self._write_broken()
            return
        fault, record, sites = _plant(self._desk, first=first)
        payload = render(record, self._desk.style)
        self._expected.planted(fault, sites, payload, self._size)
        self._append(payload, len(record.orders))

    def _write_broken(self) -> None:
        desk = self._desk
        record = MAIN[desk.institution.kind](desk)
        fault = desk.rng.choice(STRUCTURAL)
        broken = fault.plant(render(record, desk.style), desk.rng)
        assert broken is not None  # noqa: S101  # main scenes have orders
        self._expected.broken(fault.code, broken, self._size)
        self._append(broken.payload, len(record.orders))

    def _append(self, payload: bytes, orders: int) -> None:
        self._parts.append(payload)
        self._size += len(payload)
        self._expected.wrote(orders)

    def finish(self, upload: Upload) -> Written:
        payload = b"".join([*self._parts, tail(self._desk.style)])
        expected = self._expected
        answer = expected.answer(upload.name)
        return Written(
            upload.name, payload, answer, expected.records, self._faulty, expected.orders
        )


@cache
def _fitting(kind: Kind) -> tuple[Fault, ...]:
    """Faults with a scene that this kind of institution plays."""
    return tuple(f for f in FAULTS if not named_scenes(kind).keys().isdisjoint(f.scenes))


def _plant(desk: Desk, *, first: bool) -> tuple[Fault, Record, list[Site]]:
    """A fault, the record it is in, and its places; tries until one can be planted."""
    kind = desk.institution.kind
    while True:
        fault = desk.rng.choice(_fitting(kind))
        if first and not fault.first:
            continue
        playable = [name for name in fault.scenes if name in named_scenes(kind)]
        record = named_scenes(kind)[desk.rng.choice(playable)](desk)
        sites = fault.plant(desk, record) if record else None
        if record and sites:
            return fault, record, sites

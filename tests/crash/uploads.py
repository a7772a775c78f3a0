"""The uploads that the crash tests take in: every format, refusals, redeliveries, in few bytes."""

from __future__ import annotations

from pathlib import Path

from visit_records import (
    CLINIC,
    HOSPITAL,
    OTHER_PHARMACY,
    PERSON,
    PHARMACY,
    SOMEBODY_ELSE,
    Record,
    dispensing,
    moment,
    refill,
    upload,
    visit,
)

MINUTE, DAY = 60, 86_400
MANY = 25
START = moment("2025-11-03T09:00:00")
VISITS = [visit(CLINIC, PERSON, START + n * DAY) for n in range(3)]
OTHERS = [visit(HOSPITAL, SOMEBODY_ELSE, START + n * DAY + MINUTE) for n in range(3)]
REFILLS = refill(CLINIC, PERSON, START + 4 * DAY, chronic=3, legs="1")
CONTROLLED = refill(HOSPITAL, SOMEBODY_ELSE, START + 4 * DAY, controlled=3, legs="1")
LATE = refill(CLINIC, SOMEBODY_ELSE, START + 5 * DAY, chronic=2, legs="1")
SECOND = dispensing(PHARMACY, REFILLS, START + 9 * DAY, chronic="2")
THIRD = dispensing(PHARMACY, REFILLS, START + 10 * DAY, chronic="3")
AGAIN = dispensing(OTHER_PHARMACY, REFILLS, START + 11 * DAY, chronic="2")
EARLY = dispensing(PHARMACY, LATE, START + 12 * DAY, chronic="2")
NOT_XML = b'<?xml version="1.0" encoding="Big5"?>\n<RECS><REC>'

FIRST_DAY: dict[str, list[Record] | bytes] = {
    "01-visits.xml": [*VISITS, REFILLS],
    "02-hospital.xml": [*OTHERS, CONTROLLED],
    "03-no-xml.xml": NOT_XML,
    "04-second-refill.xml": [SECOND],
    "05-corrected.xml": [VISITS[0].but(M44="351"), VISITS[1].but(M44="352").broken()],
    "06-deleted.xml": [OTHERS[0].as_format("D")],
    "07-cancelled.xml": [CONTROLLED.as_format("C")],
    "08-dispensed-again.xml": [AGAIN],
    "09-early.xml": [EARLY],
    "10-no-zip.zip": b"PK no zip at all",
}
SECOND_DAY: dict[str, list[Record] | bytes] = {
    "01-visits.xml": FIRST_DAY["01-visits.xml"],
    "03-no-xml.xml": NOT_XML,
    "11-undone.xml": [CONTROLLED.as_format("E")],
    "12-late.xml": [LATE],
    "13-third-refill.xml": [THIRD],
    "14-put-again.xml": [OTHERS[0], OTHERS[1].but(M44="353"), OTHERS[2].as_format("D")],
    "15-unknown.xml": [visit(CLINIC, SOMEBODY_ELSE, START + 13 * DAY).as_format("D")],
}


def write_uploads(folder: Path) -> list[str]:
    """Write them under ``folder``; gives the sources in order."""
    sources = []
    for name, uploads in (("first-day", FIRST_DAY), ("second-day", SECOND_DAY)):
        source = folder / name
        source.mkdir(parents=True)
        for file, content in uploads.items():
            payload = content if isinstance(content, bytes) else upload(content)
            (source / file).write_bytes(payload)
        sources.append(str(source))
    return sources


def write_mass_delete(folder: Path) -> str:
    """Visits of one month, then an upload that deletes most of them, which is held."""
    folder.mkdir()
    visits = [visit(CLINIC, PERSON, START + n * 60 * MINUTE) for n in range(MANY)]
    deletes = [one.as_format("D") for one in visits[1:]]
    (folder / "01-visits.xml").write_bytes(upload(visits))
    (folder / "02-deletes.xml").write_bytes(upload(deletes))
    (folder / "03-later.xml").write_bytes(upload([visits[1].but(M44="354")]))
    return str(folder)

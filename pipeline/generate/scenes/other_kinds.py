"""Records that are no ordinary visits (H00 other than 1), and uploads of a new contract."""

from __future__ import annotations

from pipeline.generate.desk import Desk
from pipeline.generate.orders import add, no_drug, virtual
from pipeline.generate.orders import prescribe as prescribe_drugs
from pipeline.generate.record import Record
from pipeline.generate.scenes.abnormal import as_abnormal
from pipeline.generate.scenes.clinic import outpatient


def vaccination(desk: Desk) -> Record:
    """A vaccination (H00=2)."""
    record = desk.start("vaccination", "CA")
    no_drug(record)
    record.visit["H00"] = "2"
    add(desk, record, "2", "A2051C", V01=f"FL{desk.between(1000, 9999)}", V02="FLU")
    return record


def allergy(desk: Desk) -> Record:
    """An allergy or adverse reaction (H00=3), told in words or by class."""
    record = desk.start("allergy", "CA")
    no_drug(record)
    record.visit["H00"] = "3"
    drug_named = desk.rng.choice(({"E04": "盤尼西林（自費）"}, {"E03": "J01C"}))
    add(
        desk, record, "G", "ALLERGY", E01="A", E05="01", E06="全身紅疹", E07="2", E08="99",
        E09="家屬告知", **drug_named,
    )  # fmt: skip
    return record


def test_result(desk: Desk) -> Record:
    """A notice of a test result (H00=5), which is always an abnormal upload."""
    record = desk.start("test_result", "CA")
    no_drug(record)
    as_abnormal(record, "CV19")
    record.visit.update({"H00": "5", "M51": "W"})
    virtual(desk, record, desk.rng.choice(("PCRN-COVID19", "FSTP-COVID19", "CV19-S-Ab-N")))
    return record


def hepatitis_test(desk: Desk) -> Record:
    """The same for hepatitis C, under its own code."""
    record = desk.start("hepatitis_test", "CA")
    no_drug(record)
    as_abnormal(record, "HCV1")
    record.visit["H00"] = "5"
    virtual(desk, record, desk.rng.choice(("FSTP-HCV", "FSTN-HCV")))
    return record


def new_contract(desk: Desk) -> Record:
    """A visit while the new contract's cards do not work yet: G000 and the reason R005."""
    record = outpatient(desk, "new_contract")
    virtual(desk, record, "R005")
    prescribe_drugs(desk, record, most=2)
    as_abnormal(record, "G000")
    return record

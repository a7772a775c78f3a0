"""Every fault that can be planted."""

from pipeline.generate.faults import forms, prescriptions, visits
from pipeline.generate.faults.fault import Fault, Site
from pipeline.generate.faults.refusals import REFUSALS, RefusalFault
from pipeline.generate.faults.structure import STRUCTURAL, Broken, StructuralFault

FAULTS: tuple[Fault, ...] = (*forms.FAULTS, *visits.FAULTS, *prescriptions.FAULTS)

__all__ = [
    "FAULTS",
    "REFUSALS",
    "STRUCTURAL",
    "Broken",
    "Fault",
    "RefusalFault",
    "Site",
    "StructuralFault",
]

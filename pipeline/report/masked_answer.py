"""An answer as those may have it who did not send the upload: everything personal is masked.

Every form that is written from it (error CSV, text receipt) then shows no more than a page does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.report.answer import Answer, Finding, Source
from pipeline.report.masking import masked, without_ids
from schemas import version_in


@dataclass(frozen=True)
class MaskedSource(Source):
    """A source whose values are read masked."""

    def visit_values(self, record: int) -> list[str | None]:
        """The masked values of a record in the order of its version's fields."""
        fields = version_in(self.batch.layout).visit_fields
        values = super().visit_values(record)
        return [masked(field, value) for field, value in zip(fields, values, strict=True)]

    def value(self, record: int, order: int | None, field: str) -> str | None:
        """One masked value of a record, or of its ``order`` from 1."""
        return masked(field, super().value(record, order, field))


def masked_answer(answer: Answer) -> Answer:
    """The same answer with masked values; places, codes and counts stay."""
    source = answer.source
    return replace(
        answer,
        name=without_ids(answer.name),
        findings=[_masked(finding) for finding in answer.findings],
        source=None if source is None else MaskedSource(source.batch, source.upload),
    )


def _masked(finding: Finding) -> Finding:
    value = masked(finding.field, finding.value)
    return replace(finding, field=without_ids(finding.field), value=value)

"""EDGE: what a scheduler watches of the nightly reports, as a textfile of the node exporter.

Written after a run that succeeded, all at once: an alert on the age of
``nhi_upload_nightly_last_success_timestamp_seconds`` covers every way to fail.
"""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from pipeline.comparison.country import Country
from pipeline.errors import ReportWriteError
from pipeline.report.precheck.nightly import Nightly

_PREFIX = "nhi_upload_nightly"


def write_metrics(path: Path, made: Nightly, finished: float) -> None:
    """Write the metrics of a finished run. ``finished`` is in seconds since 1970.

    A run that found its reports there already leaves the metrics of the run that made them. Raises
    ``ReportWriteError``.
    """
    if made.country is None and path.exists():
        return
    registry = CollectorRegistry()
    _gauge(
        registry, "last_success_timestamp_seconds", "When the reports last were there.", finished
    )
    _gauge(registry, "duration_seconds", "How long the run took.", made.seconds)
    if made.country is not None:
        _country(registry, made, made.country)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise ReportWriteError(
            f"報表已完成，但監控檔 {path} 無法寫入（{error.strerror}）。請修正後再執行一次",
            f"The reports are there, but the metrics {path} can't be written ({error.strerror}). "
            "Mend that and run again",
        ) from error


def _country(registry: CollectorRegistry, made: Nightly, country: Country) -> None:
    as_of = country.window.as_of.toordinal() - _EPOCH_DAY
    _gauge(registry, "as_of_days", "System date of the reports, in days since 1970.", as_of)
    _gauge(registry, "reports", "Institutions reported on.", made.reports)
    _gauge(registry, "v1_records", "1.0 successes in the window.", country.total.v1)
    _gauge(registry, "matched_records", "Those with a pre-check success.", country.total.matched)
    bands = Gauge(
        f"{_PREFIX}_institutions", "Institutions by where they stand.", ["band"], registry=registry
    )
    for band, count in country.bands:
        bands.labels(band).set(count)


def _gauge(registry: CollectorRegistry, name: str, says: str, value: float) -> None:
    Gauge(f"{_PREFIX}_{name}", says, registry=registry).set(value)


_EPOCH_DAY = 719_163  # 1970-01-01, as date.toordinal counts

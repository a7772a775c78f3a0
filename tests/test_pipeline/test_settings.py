"""The environment of an operator, and their mistakes in it."""

from __future__ import annotations

import pytest

from pipeline.settings import Settings, SettingsError, read_settings


def test_nothing_set_is_the_defaults() -> None:
    assert read_settings({}) == Settings()


def test_what_the_web_reads() -> None:
    read = read_settings({
        "NHI_UPLOAD_HOSTS": "Upload.example.gov.tw, 10.1.2.3 ,",
        "NHI_UPLOAD_RATE_UPLOADS": "10/second",
        "NHI_UPLOAD_RATE_REQUESTS": "5/DAY",
        "NHI_UPLOAD_REQUEST_BYTES_BUDGET": "1000",
    })  # fmt: skip
    assert read.hosts == ("upload.example.gov.tw", "10.1.2.3")
    assert (read.rate_uploads, read.rate_requests) == ("10/second", "5/day")
    assert read.request_bytes_budget == 1000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("NHI_UPLOAD_RATE_UPLOADS", "600"),
        ("NHI_UPLOAD_RATE_UPLOADS", "0/minute"),
        ("NHI_UPLOAD_RATE_REQUESTS", "many/minute"),
        ("NHI_UPLOAD_REQUEST_BYTES_BUDGET", "-1"),
        ("NHI_UPLOAD_MAX_UPLOAD_BYTES", "64MB"),
        ("NHI_UPLOAD_DEBUG", "maybe"),
        ("NHI_UPLOAD_OIDC_ISSUER", "https://id.example"),
    ],
)
def test_what_cannot_be_read_is_told(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match="NHI_UPLOAD_"):
        read_settings({name: text})

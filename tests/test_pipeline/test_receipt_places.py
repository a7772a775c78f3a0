"""Line and column of byte offsets, against the obvious way of counting them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.places import line_columns

CODECS = {"big5": "cp950", "utf-8": "utf-8"}


def counted(text: str, at: int) -> tuple[int, int]:
    before = text[:at]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


@given(
    st.text(st.sampled_from("<>aZ9 \n\r許功蓋中"), max_size=120),
    st.lists(st.integers(0, 120), max_size=12),
    st.sampled_from(["big5", "utf-8"]),
)
def test_agrees_with_counting(text: str, positions: list[int], encoding: str) -> None:
    positions = [min(at, len(text)) for at in positions]
    codec = CODECS[encoding]
    payload = np.frombuffer(text.encode(codec), np.uint8)
    offsets = np.array([len(text[:at].encode(codec)) for at in positions], np.int64)
    lines, columns = line_columns(payload, offsets, encoding)
    assert list(zip(lines.tolist(), columns.tolist(), strict=True)) == [
        counted(text, at) for at in positions
    ]


@pytest.mark.parametrize("encoding", ["big5", "utf-8"])
def test_a_document_on_one_line(encoding: str) -> None:
    text = "<D15>許功蓋</D15>" * 1000
    payload = np.frombuffer(text.encode(CODECS[encoding]), np.uint8)
    last = len(text[: text.rfind("<")].encode(CODECS[encoding]))
    lines, columns = line_columns(payload, np.array([last, 0], np.int64), encoding)
    assert lines.tolist() == [1, 1]
    assert columns.tolist() == [text.rfind("<") + 1, 1]

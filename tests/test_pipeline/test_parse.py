"""The structure of uploads: what is taken, what faults a record, what refuses an upload."""

from __future__ import annotations

import pytest

from pipeline.columns import FAULT_CODES
from pipeline.limits import Limits
from pipeline.outcome import Refusal
from pipeline.parse.parse import FastDeclinedError, Parsed, ParserChoice, parse_many, room_for
from schemas import ORDER_FIELDS, VISIT_FIELDS

HEAD = '<?xml version="1.0" encoding="Big5"?>'
MSH = "<MSH><H00>1</H00><H01>A</H01></MSH>"


def upload(*records: str) -> bytes:
    return (HEAD + "<RECS>" + "".join(records) + "</RECS>").encode("cp950")


def record(visit: str = "", orders: str = "", head: str = MSH) -> str:
    return f"<REC>{head}<MB><MB1>{visit}</MB1>{orders}</MB></REC>"


def parse(payload: bytes, parser: ParserChoice = "auto", limits: Limits | None = None) -> Parsed:
    return parse_many([payload], parser=parser, limits=limits or Limits())


def refused(payload: bytes, limits: Limits | None = None) -> Refusal:
    refusal = parse(payload, limits=limits).refusals[0]
    assert refusal is not None
    assert parse(payload, "lxml", limits).refusals[0] == refusal
    return refusal


def visit_value(parsed: Parsed, field: str, row: int = 0) -> str | None:
    return parsed.batch.value(False, VISIT_FIELDS.index(field), row)


def faults(payload: bytes) -> list[tuple[str, str, bytes, int]]:
    """(code, element, bytes, order) of every fault; both ways must agree."""
    found = []
    for parser in ("auto", "lxml"):
        parsed = parse(payload, parser)  # type: ignore[arg-type]
        assert parsed.refusals == (None,)
        f = parsed.batch.faults
        found.append(
            [
                (FAULT_CODES[c], f.names[n], payload[o : o + size], order)
                for c, n, o, size, order in zip(
                    f.code, f.name, f.offset.tolist(), f.length.tolist(), f.order.tolist(),
                    strict=True,
                )
            ]
        )  # fmt: skip
    assert found[0] == found[1]
    return found[0]


# values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a&lt;b&gt;&amp;&apos;&quot;", "a<b>&'\""),
        ("&#65;&#x4E2D;&#x1F600;", "A中😀"),
        ("<![CDATA[a<b&c]]>", "a<b&c"),
        ("x<!-- c -->y", "xy"),
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("許功蓋\\", "許功蓋\\"),
        ("&#13;", "\r"),
        (" a ", " a "),
        ("", ""),
        ("]] >", "]] >"),
        ("許]", "許]"),
    ],
)
@pytest.mark.parametrize("parser", ["auto", "lxml"])
def test_character_data(text: str, value: str, parser: ParserChoice) -> None:
    payload = upload(record(f"<M35>{text}</M35>"))
    parsed = parse(payload, parser)
    assert visit_value(parsed, "M35") == value
    at, length = parsed.batch.place(False, VISIT_FIELDS.index("M35"), 0)
    assert payload[at : at + length].decode("cp950") == text


def test_absent_and_empty_are_told_apart() -> None:
    parsed = parse(upload(record("<M36></M36><M37/>")))
    assert [visit_value(parsed, f) for f in ("M35", "M36", "M37")] == [None, "", ""]


def test_missing_field_stands_at_its_parent() -> None:
    payload = upload(record("", "<MB2></MB2>"))
    batch = parse(payload).batch
    assert batch.place(False, VISIT_FIELDS.index("M15"), 0) == (payload.index(b"<MB1>"), 0)
    assert batch.place(True, ORDER_FIELDS.index("D06"), 0) == (payload.index(b"<MB2>"), 0)


def test_white_space_and_comments_between_elements() -> None:
    payload = upload("\r\n\t<!-- 註解 -->", record().replace("<MB>", "\n <MB>\n <!-- x -->"))
    parsed = parse(payload)
    assert parsed.parsers == ("fast",)
    assert parsed.batch.record_upload.shape == (1,)
    assert faults(payload) == []


def test_utf8_by_setting() -> None:
    document = upload(record("<M35>中</M35>")).decode("cp950")
    payload = document.replace("Big5", "UTF-8").encode()
    for choice in ("fast", "lxml"):
        parsed = parse_many([payload], utf8=True, parser=choice)  # type: ignore[arg-type]
        assert visit_value(parsed, "M35") == "中"


# faults of one record


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (record("<M99>1</M99>"), ("Y004", "M99", b"<M99>1</M99>", -1)),
        (record("<Name>1</Name>"), ("Y004", "Name", b"<Name>1</Name>", -1)),
        (record("<M99><b>1</b></M99>"), ("Y004", "M99", b"<M99><b>1</b></M99>", -1)),
        (record("<病/>"), ("Y004", "病", "<病/>".encode("cp950"), -1)),
        (record("<D06>1</D06>"), ("Y005", "D06", b"<D06>1</D06>", -1)),
        (record("<M03>1</M03><M03>2</M03>"), ("Y005", "M03", b"<M03>2</M03>", -1)),
        (record("", "<MB2><M15>1</M15></MB2>"), ("Y005", "M15", b"<M15>1</M15>", 0)),
        (record("", "<MB2/><MB2><Q/></MB2>"), ("Y004", "Q", b"<Q/>", 1)),
        (record("<M03 a='1'>x</M03>"), ("Y003", "M03", b"<M03 a='1'>x</M03>", -1)),
        (record("<M03>1<b/></M03>"), ("Y004", "b", b"<b/>", -1)),
        (record(head=""), ("Y002", "MSH", b"", -1)),
        (record("stray"), ("Y003", "MB1", b"stray", -1)),
        (f"<REC>{MSH}</REC>", ("Y003", "MB", b"", -1)),
        (f"<REC>{MSH}<MB></MB></REC>", ("Y003", "MB1", b"", -1)),
        (f"<REC>{MSH}<MB><MB2/></MB></REC>", ("Y005", "MB1", b"", -1)),
        (f"<REC>{MSH}<MB><MB2/><MB1/></MB></REC>", ("Y005", "MB1", b"<MB1/>", -1)),
        (f"<REC>{MSH}{MSH}<MB><MB1/></MB></REC>", ("Y005", "MSH", MSH.encode(), -1)),
        (f"<REC><MB><MB1/></MB>{MSH}</REC>", ("Y005", "MSH", MSH.encode(), -1)),
        (record("<MB1>1</MB1>"), ("Y005", "MB1", b"<MB1>1</MB1>", -1)),
    ],
)
def test_fault_of_one_record(broken: str, expected: tuple[str, str, bytes, int]) -> None:
    payload = upload(record(), broken, record())
    found = faults(payload)
    assert expected in found
    assert set(parse(payload).batch.faults.record.tolist()) == {1}


def test_attribute_on_the_record_itself() -> None:
    marked = record().replace("<REC>", "<REC id='7'>")
    assert faults(upload(marked)) == [("Y003", "REC", marked.encode(), -1)]


def test_deep_nesting_is_one_fault() -> None:
    deep = "<Q>" * 20_000 + "</Q>" * 20_000
    limits = Limits(text_bytes=len(deep))
    parsed = parse(upload(record(deep)), limits=limits)
    assert parsed.refusals == (None,)
    assert parsed.batch.faults.names == ("Q",)


def test_faults_are_all_told() -> None:
    payload = upload(record("<Q1/><Q2/><D01/><M03/><M03/>"))
    assert [f[1] for f in faults(payload)] == ["Q1", "Q2", "D01", "M03"]


# refusals of an upload


@pytest.mark.parametrize(
    ("payload", "code", "at"),
    [
        (upload(record()).replace(b"</RECS>", b""), "Y007", -1),
        (upload(record())[:90], "Y007", -1),
        (upload(record("<M35>許</M35>")).replace(b"</RECS>", b"\r\n" * 9), "Y007", -1),
        (upload(*[record("<M35>許功蓋</M35>")] * 99).replace(b"</RECS>", b""), "Y007", -1),
        (upload(record(), record()).replace(b"</REC>", b"", 1), "Y006", b"<REC>"),
        (upload(record()).replace(b"</REC>", b"", 1), "Y006", b"</RECS>"),
        (upload(record()) + b"<RECS></RECS>", "Y015", b"<RECS></RECS>"),
        (upload(record(), "<RECS></RECS>"), "Y015", b"<RECS></RECS>"),
        (upload(record()) + b"x", "Y001", None),
        (upload(record()) + b"<REC/>", "Y001", b"<REC/>"),
        (upload("text", record()), "Y001", b"text"),
        (upload("<FOO/>", record()), "Y001", b"<FOO/>"),
        (upload(), "Y001", -1),
        (upload(record()).replace(b"<RECS>", b"<RECS a='1'>"), "Y001", b"<RECS a"),
        (upload(record()).replace(b"RECS", b"ROOT"), "Y001", b"<ROOT>"),
        (upload(record("<M03>a&b</M03>")), "Y001", None),
        (upload(record("<M03>&foo;</M03>")), "Y001", None),
        (upload(record("<M03>\x01</M03>")), "Y001", None),
        (upload(record("<M03>\x00</M03>")), "Y001", None),
        (upload(record("<M03>a]]>b</M03>")), "Y001", None),
        (upload(record("<M03>1</M04>")), "Y001", b"</M04>"),
        (upload(record("<M03>1")), "Y001", b"</MB1>"),
        (upload("<?php ?>", record()), "Y001", b"<?php"),
        (upload(record()) + b"<?x ?>", "Y001", b"<?x"),
        (HEAD.encode() + b"<!DOCTYPE RECS><RECS/>", "Y001", b"<!DOCTYPE"),
        (HEAD.encode() + b" <!-- c --> <!DOCTYPE RECS []><RECS/>", "Y001", b"<!DOCTYPE"),
        (b" " + HEAD.encode() + b"<RECS/>", "Y001", None),
        (b"hello", "Y001", None),
        (upload("<REC>" * 300), "Y006", None),
    ],
)  # fmt: skip
def test_refusal(payload: bytes, code: str, at: bytes | int | None) -> None:
    refusal = refused(payload)
    assert refusal.code == code
    assert refusal.detail_zh
    assert refusal.detail_en
    if at == -1:
        assert refusal.offset == len(payload)
    elif isinstance(at, bytes):
        assert payload[refusal.offset :].startswith(at)


def test_refusal_tells_line_and_column() -> None:
    refusal = refused(upload("\n\n 許", record()))
    assert (refusal.line, refusal.column) == (3, 2)


ENTITIES = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "ha"}">' for i in range(10))


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE r [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]>',
        f"<!DOCTYPE r [{ENTITIES}]>",
    ],
)
def test_entity_attacks_end_at_the_doctype(prolog: str) -> None:
    payload = (HEAD + prolog + "<RECS><REC>&x;</REC></RECS>").encode()
    refusal = refused(payload)
    assert (refusal.code, refusal.offset) == ("Y001", len(HEAD))


# limits: at the limit, and one past it


def test_records_limit() -> None:
    limits = Limits(records=3)
    assert parse(upload(*[record()] * 3), limits=limits).refusals == (None,)
    refusal = refused(upload(*[record()] * 4), limits)
    assert refusal.code == "Z002"
    assert upload(*[record()] * 4)[refusal.offset :] == (record() + "</RECS>").encode()


def test_density_limits() -> None:
    """Empty elements can't make rows without end: 100, and one for so many bytes."""
    for payload, most in (
        (upload("<REC/>" * 101), Limits(bytes_per_record=10**9)),
        (upload(record("", "<MB2/>" * 101)), Limits(bytes_per_order=10**9)),
    ):
        assert refused(payload, most).code == "Z002"
        assert parse(payload.replace(b"<REC/>", b"", 1).replace(b"<MB2/>", b"", 1),
                     limits=most).refusals == (None,)  # fmt: skip


@pytest.mark.parametrize("element", ["M14", "Q14"])
def test_text_limit(element: str) -> None:
    limits = Limits(text_bytes=100)
    most, more = (upload(record(f"<{element}>{'x' * n}</{element}>")) for n in (100, 101))
    assert parse(most, limits=limits).refusals == (None,)
    assert refused(more, limits).code == "Z005"


@pytest.mark.parametrize("comment", ["x" * 10_000_001, "許" * 3_400_000])
def test_comments_as_long_as_lxml_takes(comment: str) -> None:
    """libxml2 takes ten million bytes (of UTF-8) and no more."""
    assert refused(upload(f"<!--{comment}-->" + record())).code == "Y001"


def test_batch_as_large_as_places_reach() -> None:
    """Offsets are int32, and a batch may grow by half behind its payloads."""
    assert room_for(800 << 20) < 1 << 31
    with pytest.raises(ValueError, match="too much for one batch"):
        room_for(900 << 20)


def test_way_asked_for_is_told_of_what_is_refused_at_once() -> None:
    for parser, way in (("auto", "fast"), ("lxml", "lxml")):
        parsed = parse(b"", parser)  # type: ignore[arg-type]
        assert (parsed.parsers, parsed.encodings) == ((way,), ("",))


def test_fast_alone_says_what_it_declines() -> None:
    with pytest.raises(FastDeclinedError, match="upload 1"):
        parse(upload("<![CDATA[ ]]>", record()), "fast")


def test_one_bad_upload_leaves_the_others_alone() -> None:
    good = upload(record("<M03>A199999999</M03>"), record())
    parsed = parse_many(
        [good, b"<RECS>", good, b"\xff", upload(record("<M35><![CDATA[x]]></M35>")), good]
    )
    assert [r and r.code for r in parsed.refusals] == [None, "Y007", None, "Y014", None, None]
    assert parsed.batch.first_record.tolist() == [0, 2, 2, 4, 4, 5, 7]
    assert visit_value(parsed, "M03", 5) == "A199999999"


def test_nothing_at_all() -> None:
    assert parse_many([]).refusals == ()

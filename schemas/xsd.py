"""The XSD of the upload format, generated from the field catalogue.

``python -m schemas.xsd`` writes ``schemas/xsd/upload-2.0.xsd``; ``--check`` fails when the
committed file is stale.

The XSD says what an upload is built of and nothing about values: every text is an ``xs:string``
without facets, and no field is required but H00 and H01. A wrong value or a missing field is a
finding on one record, told by the rules in words a clinic understands; were it in the XSD too, one
bad date would make the whole document invalid. What is known of a value stands in the
element's documentation instead.
"""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from pathlib import Path
from xml.sax.saxutils import escape

from schemas.fields import FORMATS, Field, Level, fields

NAME = "upload-2.0.xsd"

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- Generated from schemas/fields.csv by `python -m schemas.xsd`; do not edit. -->
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified"
           version="2.0">
  <xs:annotation>
    <xs:documentation xml:lang="zh-TW">健保卡資料上傳格式2.0：只規定結構，不檢核欄位內容。
    </xs:documentation>
    <xs:documentation xml:lang="en">NHI card data upload format 2.0: structure only; values are
      judged record by record by the rules.</xs:documentation>
  </xs:annotation>

  <xs:element name="RECS">
    <xs:complexType>
      <xs:sequence>
        <xs:element name="REC" type="REC" maxOccurs="unbounded"/>
      </xs:sequence>
    </xs:complexType>
  </xs:element>

  <xs:complexType name="REC">
    <xs:sequence>
      <xs:element name="MSH" type="MSH"/>
      <xs:element name="MB" type="MB"/>
    </xs:sequence>
  </xs:complexType>

  <xs:complexType name="MB">
    <xs:sequence>
      <xs:element name="MB1" type="MB1"/>
      <xs:element name="MB2" type="MB2" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence>
  </xs:complexType>
"""


def _facts(field: Field) -> str:
    """What the documentation tells of a field's values, in one line."""
    marks = " ".join(f"{name}={field.marks[name] or '-'}" for name in FORMATS)
    length = f", up to {field.max_length} characters" if field.max_length else ""
    shape = f", shape {field.shape}" if field.shape else ""
    return f"{field.kind}{length}{shape}; by format {marks}"


def _element(field: Field) -> str:
    least = "" if field.level == "MSH" else ' minOccurs="0"'
    return f"""\
      <xs:element name="{field.id}" type="xs:string"{least}>
        <xs:annotation>
          <xs:documentation xml:lang="zh-TW">{escape(field.name_zh)}</xs:documentation>
          <xs:documentation xml:lang="en">{escape(field.name_en)}: {escape(_facts(field))}\
</xs:documentation>
        </xs:annotation>
      </xs:element>
"""


def _segment(level: Level) -> str:
    """One segment: its fields in any order, each at most once."""
    elements = "".join(_element(f) for f in fields().values() if f.level == level)
    return f"""
  <xs:complexType name="{level}">
    <xs:all>
{elements}    </xs:all>
  </xs:complexType>
"""


def build() -> str:
    """The XSD 1.0 document as text."""
    levels: tuple[Level, ...] = ("MSH", "MB1", "MB2")
    return _HEAD + "".join(map(_segment, levels)) + "</xs:schema>\n"


def text() -> str:
    """The committed XSD."""
    return files("schemas").joinpath("xsd", NAME).read_text(encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or with ``--check`` compare it; 0 when it is (now) fresh, 1 when stale."""
    parser = argparse.ArgumentParser(prog="python -m schemas.xsd", description="Generate the XSD.")
    parser.add_argument("--check", action="store_true", help="fail when the file is stale")
    parser.add_argument("--out", type=Path, default=Path(str(files("schemas"))) / "xsd" / NAME)
    options = parser.parse_args(arguments)
    out: Path = options.out
    if options.check:
        if out.is_file() and out.read_text(encoding="utf-8") == build():
            return 0
        print(f"{out} is stale: run `python -m schemas.xsd`", file=sys.stderr)
        return 1
    out.write_text(build(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

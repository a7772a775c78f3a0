"""Documents broken at random, and documents that are odd but right: food for both parsers."""

from __future__ import annotations

import random
import re

_ELEMENT = re.compile(rb"<([A-Z0-9]+)>(?:(?!<\1>).)*?</\1>|<[A-Z0-9]+/>", re.DOTALL)
_HEAD = b'<?xml version="1.0" encoding="Big5"?>'

SEED_DOCUMENTS = (
    _HEAD + b"<RECS><REC><MSH><H00>1</H00><H01>A</H01></MSH><MB><MB1><M03>A199999999</M03>"
    b"<M05>3999019987</M05><M36/></MB1><MB2><D03>001</D03><D15>\xb3\\\xa5\\\xbb\\</D15></MB2>"
    b"<MB2><D06>B41</D06></MB2></MB></REC></RECS>",
    _HEAD
    + b"\r\n<RECS>\r\n <REC>\r\n  <MSH><H00>1</H00><H01>B</H01></MSH>\r\n  <MB>\r\n   <MB1>\r\n"
    b"    <M15>G2W4YTA17GEHM3C43C8C</M15>\r\n    <M35>a&lt;b&#65;&#x4E2D;</M35>\r\n   </MB1>\r\n"
    b"  </MB>\r\n </REC>\r\n <REC><MSH><H00>1</H00></MSH><MB><MB1></MB1></MB></REC>\r\n</RECS>\r\n",
    _HEAD + b"<RECS><REC><MB><MB1><M03>x</M03><M03>y</M03><Q1>1</Q1></MB1><MB2><M15>z</M15>"
    b"</MB2></MB></REC></RECS>",
    b"<RECS><REC><MSH/><MB><MB2/></MB></REC></RECS>",
    _HEAD
    + b"<!-- \xb0\xb7\xabO - x --><RECS><!----><REC><MSH/><MB><MB1><!-- - --><M03>x</M03></MB1>"
    b"</MB></REC></RECS><!-- \xa1\x5d -->",
)

SEED_DOCUMENTS_V1 = (
    _HEAD + b"<RECS><REC><MSH><A00>1</A00><A01>1</A01><A02>1.0</A02></MSH><MB><MB1><A12>A199999999"
    b"</A12><A14>3999019987</A14><A26/></MB1><MB2><A73>B41</A73><A75>\xb3\\\xa5\\\xbb\\</A75></MB2>"
    b"<MB2><A72>1</A72></MB2></MB></REC></RECS>",
    _HEAD
    + b"\r\n<RECS>\r\n <REC>\r\n  <MSH><A00>1</A00><A01>2</A01></MSH>\r\n  <MB>\r\n   <MB1>\r\n"
    b"    <A25>a&lt;b&#65;&#x4E2D;</A25>\r\n   </MB1>\r\n  </MB>\r\n </REC>\r\n <REC><MSH><A00>1"
    b"</A00></MSH><MB><MB1></MB1></MB></REC>\r\n</RECS>\r\n",
    _HEAD + b"<RECS><REC><MSH><A00>1</A00><H00>1</H00></MSH><MB><MB1><A12>x</A12><M03>y</M03><A64>1"
    b"</A64><A65>1</A65></MB1><MB2><A71>z</A71><A12>z</A12><D01>z</D01></MB2></MB></REC></RECS>",
    b"<RECS><REC><MSH/><MB><MB1><A11/></MB1><MB2><A81/></MB2></MB></REC></RECS>",
)
"""The same for format 1.0."""

_PIECES = (
    b"<!---->", b"<!-- - -->", b"<!-- -- -->", b"<!-->", b"<!--->", b"--",
    b'<', b'>', b'/', b'&', b';', b']]>', b']', b'&amp;', b'&lt;', b'&apos;', b'&quot;', b'&#13;',
    b'&#10;', b'&#0;', b'&#x110000;', b'&#xD800;', b'&foo;', b'&#65', b'<!-- c -->', b'<!--',
    b'-->', b'<![CDATA[a<b]]>', b'<![CDATA[', b'<?pi?>', b'<!DOCTYPE RECS>', b'<M15>', b'</M15>',
    b'<M15/>', b'<M15 />', b"<M15 a='1'>x</M15>", b'<REC>', b'</REC>', b'<RECS>', b'</RECS>',
    b'<MB>', b'</MB>', b'<MB1>', b'</MB1>', b'<MB2>', b'</MB2>', b'<MB2></MB2>', b'<MSH>',
    b'</MSH>', b'<H01>A</H01>', b'<D06>x</D06>', b'<Q9>x</Q9>', b'<q-9.x/>', b'<a:b>x</a:b>',
    b'<1a/>', b'\r', b'\r\n', b'\n', b'\t', b' ', b'\x00', b'\x01', b'\x1f', b'\x7f', b'\x80',
    b'\xa4\xa4', b'\xa4', b'\xb3\\', b'\xa1]]>', b'\xff', b"x" * 33, b'\xef\xbf\xbe', b']]',
    b'&#x9;', b'&#00065;', b'&#x0000041;', b'<M\xa4\xa4/>', b'M99', b'<M99>1</M99>',
    b'<MB3>1</MB3>', b'<MB1>1</MB1>', b'<RECX/>', b'<A01>1</A01>', b'<A17>1</A17>', b'<A77>1</A77>',
    b'<A99/>', b'A02',
)  # fmt: skip


def move_element(random_: random.Random, document: bytes) -> bytes:
    """A whole element doubled, dropped or put elsewhere: still well-formed, maybe misplaced."""
    elements = [m for m in (_ELEMENT.match(document, i) for i in _starts(document)) if m]
    if not elements:
        return document
    element = random_.choice(elements)
    target = random_.choice(elements).start()
    without = document[: element.start()] + document[element.end() :]
    kind = random_.randrange(3)
    if kind == 0:
        return without
    if kind == 1 or element.start() < target < element.end():
        return document[:target] + element.group() + document[target:]
    shift = len(element.group()) if target > element.start() else 0
    return without[: target - shift] + element.group() + without[target - shift :]


def _starts(document: bytes) -> list[int]:
    return [m.start() for m in re.finditer(rb"<[A-Z]", document)]


def mutate(random_: random.Random, document: bytes) -> bytes:
    """One to three random edits of a document."""
    if random_.randrange(4) == 0:
        document = move_element(random_, document)
        if random_.randrange(2) == 0:
            return move_element(random_, document)
    data = bytearray(document)
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        at = random_.randrange(len(data) + 1)
        kind = random_.randrange(7)
        if kind == 0 and at < len(data):
            data[at] = random_.randrange(256)
        elif kind == 1:
            del data[at : at + random_.choice((1, 1, 2, 5, 14))]
        elif kind in (2, 3):
            data[at:at] = random_.choice(_PIECES)
        elif kind == 4:
            size = random_.choice((1, 3, 5, 13, 40))
            data[at:at] = data[(source := random_.randrange(len(data) + 1)) : source + size]
        elif kind == 5:
            begin = data.find(b"<", at)
            if begin >= 0:
                data[begin:begin] = random_.choice(_PIECES)
        else:
            begin, end = data.find(b"<", at), data.find(b">", at)
            if 0 <= begin < end:
                data[begin : end + 1] = random_.choice(_PIECES)
        if not data:
            data += b"<"
    return bytes(data)

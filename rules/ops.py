"""The closed vocabulary of compiled checks: every operation a plan may name.

A plan is a list of nodes; a node applies one operation to earlier nodes (``args``) and constants
(``params``). ``pipeline.kernels`` binds each name to a kernel over columns, ``tests/oracles.py`` to
its obvious twin over one record; a test holds the three key sets equal.

Column types: ``truth`` is uint8 0 false, 1 true, 2 unknown. ``number``, ``day`` (days since
1970-01-01) and ``moment`` (seconds since 1970-01-01, Asia/Taipei wall clock) are int64 with
``UNKNOWN`` for missing, empty or malformed. Decimals count in tenths.

Null policy, one for all: an operation on a field is unknown where the field is blank or malformed
(two fields: where either is). Only ``filled``, ``malformed`` and ``unlisted`` always know.

What ``malformed`` means, first match wins: ``chinese`` is a character beyond ASCII in a field not
in ``MAY_HOLD_CHINESE``; ``length`` is more characters than ``max_length`` (18 for numbers that
have none) or, for the kinds in ``EXACT_LENGTH``, any other number of them; ``type`` is a number
with other than digits, a date not in the calendar (ROC year 001 and later), or a value off its
field's ``shape``. Kind ``code`` has no ``type`` (``unlisted`` speaks for it), kind ``number`` no
shape (a range is a rule). Values are never trimmed, so a blank at an end breaks the shape.

Operations on reference tables take ``keys``, one ``KeyPart`` a key column of the table. They are
unknown where a part is blank or malformed, where the day is, and where the table isn't loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Type = Literal["truth", "number", "day", "moment"]
KeyPart = tuple[Literal["field", "text", "sender", "address"], str]
UNKNOWN = -(2**63)
FALSE, TRUE, MAYBE = 0, 1, 2

ASPECTS = ("chinese", "length", "type", "any")
MAY_HOLD_CHINESE = frozenset((
    "D07", "D08", "D13", "D15", "E04", "E06", "E09", "E12", "E13", "V01", "V02",
    "A74", "A75", "A81",
))  # fmt: skip
EXACT_LENGTH = {"date": 7, "datetime": 13, "treatment_id": 20, "institution": 10, "person": 10}
LONGEST_NUMBER = 18


@dataclass(frozen=True)
class Op:
    """One operation: its parameters by name, what its args are, what it gives, and how it reads.

    ``gives`` of ``"same"`` is the type of the first arg. ``scope`` says where it runs: ``same``
    as its field or args, ``to_record`` folds orders into records, ``to_order`` spreads records.
    """

    params: tuple[str, ...]
    args: tuple[str, ...]
    gives: Type | Literal["same"]
    doc: str
    scope: Literal["same", "to_record", "to_order", "record"] = "same"


OPS: dict[str, Op] = {
    # fields: one cell each
    "filled": Op(("field",), (), "truth", "present, with text that is not blank"),
    "malformed": Op(
        ("field", "aspect"), (), "truth", "breaks its form: chinese, length, type, any"
    ),
    "unlisted": Op(("field",), (), "truth", "filled with a value outside its closed list"),
    "value": Op(("field",), (), "number", "number, day or moment by the field's kind"),
    "member": Op(("field", "codes"), (), "truth", "value is one of the codes"),
    "same_text": Op(("field", "other"), (), "truth", "two fields hold the same text"),
    "is_sender": Op(("field",), (), "truth", "value is the sender's institution"),
    "starts": Op(("field", "prefix"), (), "truth", "value starts with the prefix"),
    "matches": Op(("field", "shape"), (), "truth", "whole value has the shape"),
    "size": Op(("field",), (), "number", "characters in the value"),
    "letter": Op(("field",), (), "number", "alphabet position of the first character, A/a = 1"),
    "first": Op(("field",), (), "number", "first digit; unknown unless all digits"),
    "last": Op(("field",), (), "number", "last digit; unknown unless all digits"),
    "consecutive": Op(("field",), (), "truth", "each digit one more; unknown unless all digits"),
    "special": Op(("field",), (), "truth", "SM/MISS/letter+3 digits, then zeros; 20 nines"),
    "holds_person": Op(("field", "person"), (), "truth", "treatment id holds this person"),
    "moment_of": Op(("field",), (), "moment", "time inside a treatment id"),
    "person_check": Op(("field",), (), "truth", "check digit of a person id holds"),
    "institution_check": Op(("field",), (), "truth", "check digit of an institution code holds"),
    "sex": Op(("field",), (), "number", "1 male, 2 female, by the second character"),
    "repeated": Op(("field",), (), "truth", "another order of the record has the same value"),
    # reference tables
    "known": Op(("table", "keys"), ("day",), "truth", "in the table, and valid that day"),
    "ever_known": Op(("table", "keys"), (), "truth", "in the table, whatever the day"),
    "lookup": Op(("table", "keys", "column"), ("day",), "number", "a number the table gives"),
    "since": Op(("table", "keys"), (), "day", "first day of the key's first period"),
    "working_days": Op((), ("day", "day"), "number", "working days after the first to the second"),
    # values
    "constant": Op(("type", "value"), (), "number", "a number, day or moment"),
    "received": Op((), (), "moment", "moment of receipt", "record"),
    "official": Op((), (), "truth", "an official upload, no pre-check", "record"),
    "vpn": Op((), (), "truth", "came by VPN, not by the Web API", "record"),
    "orders": Op((), (), "number", "orders of the record", "record"),
    "date": Op((), ("moment",), "day", "calendar day of a moment"),
    "month": Op((), ("day",), "number", "year * 12 + month - 1"),
    "or_zero": Op(("field",), ("number",), "same", "0 where the field is blank"),
    "coalesce": Op((), ("any", "any"), "same", "the first, or the second where it is unknown"),
    "add": Op((), ("any", "any"), "same", "sum"),
    "subtract": Op((), ("any", "any"), "number", "difference"),
    "modulo": Op((), ("number", "number"), "number", "remainder; unknown by zero"),
    # truths
    "equal": Op((), ("any", "any"), "truth", "=="),
    "less": Op((), ("any", "any"), "truth", "<"),
    "less_equal": Op((), ("any", "any"), "truth", "<="),
    "not": Op((), ("truth",), "truth", "Kleene not"),
    "and": Op((), ("truth", "truth"), "truth", "Kleene and"),
    "or": Op((), ("truth", "truth"), "truth", "Kleene or"),
    # between records and their orders
    "some": Op((), ("truth",), "truth", "Kleene or over a record's orders", "to_record"),
    "every": Op((), ("truth",), "truth", "Kleene and over a record's orders", "to_record"),
    "count": Op(
        (), ("truth",), "number", "orders for which it is true; unknown if any is", "to_record"
    ),
    "spread": Op((), ("any",), "same", "the record's value, on each of its orders", "to_order"),
}

"""Encrypted downloads: read by the letter of the format, shut to guesses, naming nobody."""

from __future__ import annotations

import csv
import io
import struct
import zipfile
import zlib
from datetime import datetime
from hashlib import pbkdf2_hmac, sha1
from hmac import digest
from pathlib import Path

import pytest
import pyzipper
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounts.faults import WeakPasswordError
from pipeline.core import process
from pipeline.outcome import Envelope
from pipeline.report.answer import Answer, answer_of
from pipeline.report.encrypted import encrypted_zip, typeable
from pipeline.report.error_csv import error_csv
from pipeline.report.masked_answer import masked_answer
from pipeline.report.receipt import receipt
from pipeline.settings import Settings
from pipeline.taipei import TAIPEI
from pipeline.web.zip_passwords import is_person_id, zip_password
from rules import load_plan
from schemas.fields import fields

SAMPLES = Path(__file__).parent.parent / "fixtures" / "samples"
AS_OF = datetime(2025, 5, 1, 12, 0, 2, tzinfo=TAIPEI)
PASSWORD = "Bleak-Otter-Vends-41"


def by_the_letter(packed: bytes, password: str) -> tuple[str, bytes]:
    """The one file of an AE-2 zip, read by WinZip's description with another library's AES."""
    signature, _, flags, method = struct.unpack_from("<IHHH", packed)
    _, crc, size, _, name_length, extra_length = struct.unpack_from("<IIIIHH", packed, 10)
    assert (signature, method) == (0x04034B50, 99)
    assert flags & 1
    assert crc == 0  # of AE-2: the plain text's checksum would tell what it is
    name = packed[30 : 30 + name_length].decode()
    extra = packed[30 + name_length : 30 + name_length + extra_length]
    tag, _, version, vendor, strength, inner = struct.unpack_from("<HHH2sBH", extra)
    assert (tag, version, vendor, strength, inner) == (0x9901, 2, b"AE", 3, 8)
    body = packed[30 + name_length + extra_length :][:size]
    salt, verifier, sealed, seal = body[:16], body[16:18], body[18:-10], body[-10:]
    keys = pbkdf2_hmac("sha1", password.encode(), salt, 1000, 66)
    assert keys[64:] == verifier
    assert digest(keys[32:64], sealed, sha1)[:10] == seal
    blocks = -(-len(sealed) // 16)
    counters = b"".join(n.to_bytes(16, "little") for n in range(1, blocks + 1))
    stream = Cipher(algorithms.AES256(keys[:32]), modes.ECB()).encryptor().update(counters)
    plain = bytes(a ^ b for a, b in zip(sealed, stream, strict=False))
    return name, zlib.decompress(plain, -15)


@given(st.binary(max_size=5_000))
def test_a_zip_is_read_by_the_letter_of_the_format(data: bytes) -> None:
    packed = encrypted_zip({"a-errors.csv": data}, PASSWORD, AS_OF)
    assert by_the_letter(packed, PASSWORD) == ("a-errors.csv", data)


def test_a_zip_tells_nothing_without_its_password() -> None:
    packed = encrypted_zip({"a.csv": b"A123456789," * 50}, PASSWORD, AS_OF)
    with pyzipper.AESZipFile(io.BytesIO(packed)) as pack:
        (entry,) = pack.infolist()
        assert entry.date_time == (2025, 5, 1, 12, 0, 2)
        for wrong in (None, b"", b"Bleak-Otter-Vends-42"):
            pack.setpassword(wrong)
            with pytest.raises(RuntimeError):
                pack.read(entry)
    assert packed != encrypted_zip({"a.csv": b"A123456789," * 50}, PASSWORD, AS_OF)
    with (
        zipfile.ZipFile(io.BytesIO(packed)) as plain,
        pytest.raises((NotImplementedError, RuntimeError)),
    ):
        plain.read("a.csv")


def test_a_changed_zip_is_noticed() -> None:
    packed = bytearray(encrypted_zip({"a.csv": b"row\r\n" * 500}, PASSWORD, AS_OF))
    packed[30 + 5 + 11 + 18 + 4] ^= 1
    with pyzipper.AESZipFile(io.BytesIO(packed)) as pack:
        pack.setpassword(PASSWORD.encode())
        with pytest.raises((zipfile.BadZipFile, pyzipper.BadZipFile, zlib.error)):
            pack.read("a.csv")


def test_made_passwords_have_a_hundred_bits_and_are_never_the_same() -> None:
    made = {zip_password(None, Settings(), ()).text for _ in range(200)}
    assert len(made) == 200
    letters = set("".join(made)) - {"-"}
    groups = next(iter(made)).split("-")
    assert len(letters) ** sum(map(len, groups)) >= 2**96
    assert all(typeable(password) for password in made)


@pytest.mark.parametrize(
    "weak",
    ["s3cret", "password1234", "aaaaaaaaaaaaaaa", "A123456789", "3501200000-2024", "qwertyuiop123",
     "王小明的很長的密碼一二三四", "Bleak-Otter\tVends", "B" + "leak-Otter" * 10, ""],
)  # fmt: skip
def test_a_password_that_can_be_guessed_or_typed_nowhere_is_not_taken(weak: str) -> None:
    with pytest.raises(WeakPasswordError):
        zip_password(weak, Settings(), ("3501200000",))


def test_a_strong_password_is_taken_as_it_is() -> None:
    assert zip_password(PASSWORD, Settings(), ("a clinic",)) == (PASSWORD, "chosen")


def test_a_name_does_not_carry_a_password() -> None:
    with pytest.raises(WeakPasswordError):
        zip_password("marigold-clinic-1", Settings(), ("marigold-clinic",))


def test_an_id_is_a_password_only_by_the_operators_leave() -> None:
    allowed = Settings(id_as_password=True)
    assert zip_password("A123456789", allowed, ()) == ("A123456789", "id")
    with pytest.raises(WeakPasswordError):
        zip_password("A123456789", Settings(), ())
    for not_one in ("A123456788", "a123456789", "A12345678", "A1234567890", "1234567890"):
        with pytest.raises(WeakPasswordError):
            zip_password(not_one, allowed, ())


def test_ids_are_known_by_their_check_digit() -> None:
    assert is_person_id("A123456789")
    assert is_person_id("A800000014")
    assert not is_person_id("A800000015")
    right = sum(is_person_id(f"B2345678{n:02d}") for n in range(100))
    assert right == 10


def mixed() -> Answer:
    data = (SAMPLES / "14_mixed_batch_with_errors.xml").read_bytes()
    return answer_of(process(data, Envelope(AS_OF, name="a.xml"), load_plan()), 0, "0" * 64, "1")


def personal_values(answer: Answer) -> set[str]:
    """Every value of the upload that identifies somebody, but treatment ids."""
    assert answer.source is not None
    return {
        value
        for record in range(1, answer.counts.records + 1)
        for field in fields().values()
        if field.personal and not field.is_order and field.kind != "treatment_id"
        and (value := answer.source.value(record, None, field.id))
    }  # fmt: skip


def test_what_the_insurers_people_get_names_nobody() -> None:
    answer = mixed()
    values = personal_values(answer)
    assert len(values) > 5
    plain, hidden = (
        (error_csv([one]).decode("utf-8-sig"), receipt(one).decode("cp950"))
        for one in (answer, masked_answer(answer))
    )
    assert any(value in plain[0] + plain[1] for value in values)
    assert [value for value in values if value in hidden[0] + hidden[1]] == []


def test_masking_leaves_all_but_the_values() -> None:
    kept = ("record", "order", "field", "code", "severity", "message", "remedy", "line", "offset")
    plain, hidden = (
        list(csv.DictReader(io.StringIO(error_csv([one]).decode("utf-8-sig"))))
        for one in (mixed(), masked_answer(mixed()))
    )
    assert [[row[c] for c in kept] for row in plain] == [[row[c] for c in kept] for row in hidden]
    assert {row["M15"] for row in hidden} == {masked_id(row["M15"]) for row in plain}


def masked_id(treatment_id: str) -> str:
    special = not treatment_id or treatment_id.startswith(("SM", "MISS"))
    return treatment_id if special else treatment_id[:6] + "*" * 14

"""Sources: order, kinds of file, limits at and one past the edge, and everything odd."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.ingest.ingest import SourceMissingError, find_files, read_uploads
from pipeline.ingest.unpack import MOST_MEMBERS, RATIO_FREE_BYTES, Payload
from pipeline.limits import Limits

SMALL = Limits(upload_bytes=2_000, compression_ratio=200)


def uploads(source: Path, limits: Limits = SMALL) -> list[Payload]:
    return [u for file in find_files([source]) for u in read_uploads(file, limits)]


def codes(source: Path, limits: Limits = SMALL) -> dict[str, str | None]:
    return {u.name: u.refusal.code if u.refusal else None for u in uploads(source, limits)}


def make_zip(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def test_folders_come_in_name_order_and_other_files_are_passed_over(tmp_path: Path) -> None:
    for name in ("b/2.xml", "b/1.xml", "a.xml", "c.XML", "readme.txt", "b-.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "d.xml.gz").write_bytes(gzip.compress(b"packed"))
    make_zip(tmp_path / "e.zip", {"z.xml": b"1", "sub/y.xml": b"2", "__MACOSX/z.xml": b"3"})
    found = uploads(tmp_path)
    names = ["a.xml", "b/1.xml", "b/2.xml", "b-.xml", "c.XML", "d.xml.gz"]
    assert [u.name for u in found] == [*names, "e.zip!/z.xml", "e.zip!/sub/y.xml"]
    assert found[5].data == b"packed"
    assert all(u.sha256 == sha256(u.data).digest() for u in found)


def test_the_size_limit_at_and_one_past_it(tmp_path: Path) -> None:
    rng = os.urandom(2_001)
    (tmp_path / "at.xml").write_bytes(rng[:2_000])
    (tmp_path / "past.xml").write_bytes(rng)
    (tmp_path / "at.xml.gz").write_bytes(gzip.compress(rng[:2_000]))
    (tmp_path / "past.xml.gz").write_bytes(gzip.compress(rng))
    make_zip(tmp_path / "zip.zip", {"at.xml": rng[:2_000], "past.xml": rng})
    assert codes(tmp_path) == {
        "at.xml": None,
        "at.xml.gz": None,
        "past.xml": "Z001",
        "past.xml.gz": "Z001",
        "zip.zip!/at.xml": None,
        "zip.zip!/past.xml": "Z001",
    }


def test_bombs_are_given_up_early(tmp_path: Path) -> None:
    zeros = bytes(20 << 20)
    (tmp_path / "bomb.xml.gz").write_bytes(gzip.compress(zeros))
    (tmp_path / "small.xml.gz").write_bytes(gzip.compress(zeros[:RATIO_FREE_BYTES]))
    make_zip(tmp_path / "zip.zip", {"bomb.xml": zeros})
    assert codes(tmp_path, Limits()) == {
        "bomb.xml.gz": "Z004",
        "small.xml.gz": None,
        "zip.zip!/bomb.xml": "Z004",
    }


def test_gzip_files_that_go_on_without_giving_anything_are_given_up(tmp_path: Path) -> None:
    member, most = gzip.compress(b""), Limits().upload_bytes
    (tmp_path / "many.xml.gz").write_bytes(member * (MOST_MEMBERS + 1))
    (tmp_path / "most.xml.gz").write_bytes(member * (MOST_MEMBERS - 1) + gzip.compress(b"<x/>"))
    with (tmp_path / "long.xml.gz").open("wb") as file:  # a comment without end
        file.write(member[:3] + b"\x10" + member[4:10] + b"x" * (most + RATIO_FREE_BYTES))
    assert codes(tmp_path, Limits()) == {
        "long.xml.gz": "Z001",
        "many.xml.gz": "Z003",
        "most.xml.gz": None,
    }


def test_archives_that_cannot_be_unpacked_are_one_refusal_each(tmp_path: Path) -> None:
    packed = gzip.compress(b"<RECS/>" * 50)
    (tmp_path / "cut.xml.gz").write_bytes(packed[:-9])
    (tmp_path / "empty.xml.gz").write_bytes(b"")
    (tmp_path / "flipped.xml.gz").write_bytes(packed[:-6] + b"\0" + packed[-5:])
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04 not at all")
    inner = make_zip(tmp_path / "inner.bin", {"a.xml": b"x"}).read_bytes()
    make_zip(tmp_path / "nested.zip", {"a.zip": inner, "b.xml.gz": packed, "c.xml": b"x"})
    make_zip(tmp_path / "other.zip", {"a.xml": b"x" * 99}, zipfile.ZIP_LZMA)
    (tmp_path / "twice.xml.gz").write_bytes(gzip.compress(packed))
    assert codes(tmp_path) == {
        "cut.xml.gz": "Z003",
        "empty.xml.gz": "Z003",
        "flipped.xml.gz": "Z003",
        "nested.zip!/a.zip": "Z003",
        "nested.zip!/b.xml.gz": "Z003",
        "nested.zip!/c.xml": None,
        "no.zip": "Z003",
        "other.zip!/a.xml": "Z003",
        "twice.xml.gz": "Z003",
    }


def test_encrypted_and_overlapping_entries_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.xml": b"1" * 50, "b.xml": b"2" * 50}, 0)
    raw = path.read_bytes()
    second = raw.rindex(b"PK\x01\x02")
    encrypted = raw[: second + 8] + struct.pack("<H", 1) + raw[second + 10 :]
    path.write_bytes(encrypted)
    assert codes(tmp_path) == {"a.zip!/a.xml": None, "a.zip!/b.xml": "Z003"}
    overlapping = raw[: second + 42] + struct.pack("<I", 0) + raw[second + 46 :]
    path.write_bytes(overlapping)
    assert codes(tmp_path) == {"a.zip!/a.xml": "Z003", "a.zip!/b.xml": "Z003"}


def test_names_inside_an_archive_are_only_shown(tmp_path: Path) -> None:
    make_zip(tmp_path / "a.zip", {"../../up.xml": b"1", "/root.xml": b"2", "a\x07b.xml": b"3"})
    path = make_zip(tmp_path / "b.zip", {"AAAA.xml": b"4"})
    path.write_bytes(path.read_bytes().replace(b"AAAA", "就醫".encode("cp950")))
    found = uploads(tmp_path)
    assert [u.name for u in found][2:] == ["a.zip!/a\ufffdb.xml", "b.zip!/就醫.xml"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_odd_things_in_a_folder_are_refusals(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.xml").write_bytes(b"secret")
    (folder / "good.xml").write_bytes(b"good")
    (folder / "out.xml").symlink_to(tmp_path / "secret.xml")
    (folder / "within.xml").symlink_to(folder / "good.xml")
    (folder / "broken.xml").symlink_to(folder / "nowhere.xml")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.xml")
    (folder / os.fsdecode(b"\xb4N.xml")).write_bytes(b"named in Big5")
    assert codes(folder) == {
        "broken.xml": "Z003",
        "good.xml": None,
        "out.xml": "Z003",
        "pipe.xml": "Z003",
        "within.xml": None,
        "\ufffdN.xml": None,
    }


def test_a_folder_too_deep_for_its_path_is_one_refusal(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(b"before")
    (tmp_path / "z.xml").write_bytes(b"behind")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(25):  # names longer than any path may be, made step by step
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    found = uploads(tmp_path)
    assert [u.data for u in (found[0], found[-1])] == [b"before", b"behind"]
    assert [u.refusal.code for u in found[1:-1] if u.refusal] == ["Z003"]
    shutil.rmtree(tmp_path / ("d" * 200))


def test_a_missing_source_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError):
        list(find_files([tmp_path, tmp_path / "nowhere"]))


def test_very_deep_folders_are_walked(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(200):
        deep = deep / "deeper"
    deep.mkdir(parents=True)
    (deep / "a.xml").write_bytes(b"x")
    assert len(uploads(tmp_path)) == 1

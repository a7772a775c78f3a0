"""Unpacking of ``.xml``, ``.xml.gz`` and ``.zip``: open file → payloads, never more than allowed.

Every upload is inflated in small steps and given up as soon as it is too large (Z001), was packed
too tightly (Z004) or can't be unpacked (Z003: damaged, encrypted, nested, another method). Names
inside an archive are for display only; nothing is ever written under them.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, Final

from pipeline.limits import Limits
from pipeline.outcome import Refusal

RATIO_FREE_BYTES: Final = 1 << 20  # below this an upload may be packed as tightly as it likes
MOST_ENTRIES: Final = 100_000
MOST_MEMBERS: Final = 100_000  # of a gzip file; each costs time even when it holds nothing
MOST_DIRECTORY_BYTES: Final = 16 << 20
_STEP: Final = 1 << 18
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ARCHIVES: Final = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"7z\xbc\xaf",
    b"Rar!",
    b"BZh",
    b"\xfd7zX",
)
_UNREADABLE: Final = ("檔案無法讀取或解壓縮", "the file can't be read or unpacked")
_NESTED: Final = ("壓縮檔內還有壓縮檔", "an archive inside an archive")
_LOCAL_HEADER_BYTES: Final = 30


@dataclass(frozen=True)
class Payload:
    """One upload, or why it can't be had. ``sha256`` is of the bytes, or of what stands for them.

    A refused one has no bytes; its digest is of the packed bytes read, so it is known again.
    """

    name: str
    data: bytes
    sha256: bytes
    refusal: Refusal | None = None


class _RefusedError(Exception):
    """Carries a refusal out of nested reading."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.refusal = Refusal(code, 0, 1, 1, zh, en)


class _CarefulFile:
    """A zip file whose directory is read at once only if it is of a sane size."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._read = file.read

    def read(self, size: int = -1, /) -> bytes:
        if size > MOST_DIRECTORY_BYTES:
            raise _RefusedError("Z003", "zip 的目錄過大", "the zip's directory is too large")
        return self._read(size)


def refused(name: str, digest: bytes, code: str, zh: str, en: str) -> Payload:
    """An upload that can't be taken before anything could be parsed."""
    return Payload(name, b"", digest, Refusal(code, 0, 1, 1, zh, en))


def read_plain(file: BinaryIO, name: str, limits: Limits) -> Payload:
    """A file that is an upload as it stands."""
    most = limits.upload_bytes
    try:
        data = file.read(min(_size_of(file), most) + 1)
    except OSError:
        return refused(name, sha256(name.encode()).digest(), "Z003", *_UNREADABLE)
    if len(data) > most:
        return refused(name, sha256(data).digest(), "Z001", *_too_large(most))
    return Payload(name, data, sha256(data).digest())


def read_gzip(file: BinaryIO, name: str, limits: Limits) -> Payload:
    """A gzip file (members end to end, as gzip allows)."""
    arriving = Arriving(name, limits, gzip=True)
    try:
        while not arriving.refusal and (chunk := file.read(_STEP)):
            arriving.add(chunk)
    except OSError:
        return refused(name, arriving.digest(), "Z003", *_UNREADABLE)
    return arriving.payload()


class Arriving:
    """One upload that comes in pieces, as it stands or as gzip; never keeps more than allowed.

    Once it is refused nothing of it is kept, and further pieces only go into its digest.
    ``bytes_kept`` is what it holds in memory.
    """

    def __init__(self, name: str, limits: Limits, *, gzip: bool) -> None:
        self._name = name
        self._limits = limits
        self._inflater = _Inflater() if gzip else None
        self._data = bytearray()
        self._came = 0
        self._packed = sha256()
        self.refusal: Refusal | None = None

    @property
    def bytes_kept(self) -> int:
        """Bytes it holds in memory."""
        return len(self._data)

    def digest(self) -> bytes:
        """SHA-256 of the bytes that came, as they came."""
        return self._packed.digest()

    def add(self, chunk: bytes) -> None:
        """Take the next piece. Whatever is wrong with it shows in ``refusal``."""
        self._packed.update(chunk)
        self._came += len(chunk)
        if self.refusal:
            return
        try:
            if self._inflater is None:
                self._keep(chunk)
            else:
                self._inflate(self._inflater, chunk)
        except _RefusedError as error:
            self._refuse(error.refusal)
        except zlib.error:
            self._refuse(Refusal("Z003", 0, 1, 1, *_UNREADABLE))

    def payload(self) -> Payload:
        """The upload, after its last piece."""
        if self._inflater is not None and not self.refusal:
            self._end(self._inflater)
        if self.refusal:
            return Payload(self._name, b"", self.digest(), self.refusal)
        data = bytes(self._data)
        digest = self.digest() if self._inflater is None else sha256(data).digest()
        return Payload(self._name, data, digest)

    def _inflate(self, inflater: _Inflater, chunk: bytes) -> None:
        if self._came > self._limits.upload_bytes + RATIO_FREE_BYTES:  # no packing adds as much
            raise _RefusedError("Z001", *_too_large(self._limits.upload_bytes))
        for piece in inflater.add(chunk):
            self._keep(piece)
            _check_ratio(len(self._data), self._came, self._limits)

    def _keep(self, piece: bytes) -> None:
        if len(self._data) + len(piece) > self._limits.upload_bytes:
            raise _RefusedError("Z001", *_too_large(self._limits.upload_bytes))
        self._data += piece

    def _end(self, inflater: _Inflater) -> None:
        if not inflater.ended:
            self._refuse(Refusal("Z003", 0, 1, 1, "壓縮檔不完整", "the gzip file ends too early"))
        elif self._data.startswith(_ARCHIVES):
            self._refuse(Refusal("Z003", 0, 1, 1, *_NESTED))

    def _refuse(self, refusal: Refusal) -> None:
        self.refusal = refusal
        self._data = bytearray()


class _Inflater:
    """Gzip members end to end, inflated in small steps."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._members = 1

    @property
    def ended(self) -> bool:
        """Whether what came so far is whole."""
        return self._member.eof

    def add(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            if self._member.eof:
                self._member, self._members = zlib.decompressobj(wbits=31), self._members + 1
            if self._members > MOST_MEMBERS:
                raise _RefusedError("Z003", "gzip 檔的段數過多", "too many gzip members")
            yield self._member.decompress(chunk, _STEP)
            ended = self._member.eof
            chunk = self._member.unused_data if ended else self._member.unconsumed_tail


def read_zip(file: BinaryIO, name: str, limits: Limits) -> Iterator[Payload]:
    """Every upload of a zip file, in its own order; an unreadable zip is one refusal."""
    try:
        archive = zipfile.ZipFile(_CarefulFile(file))
        entries = _entries(archive)
    except _RefusedError as error:
        yield Payload(name, b"", _digest_of(file), error.refusal)
        return
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        yield refused(name, _digest_of(file), "Z003", "不是有效的 zip 檔", "not a valid zip file")
        return
    for info, overlaps in entries:
        yield _read_entry(archive, info, f"{name}!/{_shown(info)}", overlaps, limits)


def _entries(archive: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, bool]]:
    """Entries that are files, each with whether its bytes overlap another's."""
    infos = archive.infolist()
    if len(infos) > MOST_ENTRIES:
        raise _RefusedError(
            "Z003",
            f"zip 內超過 {MOST_ENTRIES} 個檔案",
            f"more than {MOST_ENTRIES} files in the zip",
        )
    overlapping: set[int] = set()
    end, last = 0, -1
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset < end:
            overlapping |= {id(info), last}
        stop = info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size
        if stop > end:
            end, last = stop, id(info)
    return [(i, id(i) in overlapping) for i in infos if not i.is_dir() and not _clutter(i)]


def _clutter(info: zipfile.ZipInfo) -> bool:
    """What operating systems leave in archives."""
    parts = info.filename.split("/")
    return parts[0] == "__MACOSX" or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")


def _read_entry(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, overlaps: bool, limits: Limits
) -> Payload:
    stand_in = sha256(f"{info.filename}\0{info.CRC}\0{info.compress_size}".encode(
        "utf-8", "surrogatepass")).digest()  # fmt: skip

    def pieces() -> Iterator[bytes]:
        if info.flag_bits & _ENCRYPTED:
            raise _RefusedError("Z003", "zip 內的檔案有加密", "the file in the zip is encrypted")
        if info.compress_type not in _METHODS:
            raise _RefusedError(
                "Z003", "zip 的壓縮方式不支援", "the zip uses a method other than store and deflate"
            )
        if overlaps:
            raise _RefusedError("Z003", "zip 內的檔案互相重疊", "files in the zip overlap")
        with archive.open(info) as entry:
            while piece := entry.read(_STEP):
                yield piece

    return _collect(name, pieces, lambda: (info.compress_size, stand_in), limits)


def _collect(
    name: str,
    pieces: Callable[[], Iterator[bytes]],
    packed: Callable[[], tuple[int, bytes]],
    limits: Limits,
) -> Payload:
    """Gather an upload piece by piece. ``packed`` gives packed size and digest."""
    data = bytearray()
    try:
        for piece in pieces():
            data += piece
            if len(data) > limits.upload_bytes:
                raise _RefusedError("Z001", *_too_large(limits.upload_bytes))
            _check_ratio(len(data), packed()[0], limits)
        if data.startswith(_ARCHIVES):
            raise _RefusedError("Z003", *_NESTED)
    except _RefusedError as error:
        return Payload(name, b"", packed()[1], error.refusal)
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError,
            RuntimeError):  # fmt: skip
        return refused(name, packed()[1], "Z003", *_UNREADABLE)
    payload = bytes(data)
    return Payload(name, payload, sha256(payload).digest())


def _check_ratio(size: int, packed: int, limits: Limits) -> None:
    ratio = limits.compression_ratio
    if size > max(RATIO_FREE_BYTES, packed * ratio):
        raise _RefusedError("Z004", f"壓縮比超過 {ratio} 倍", f"packed more than {ratio} times")


def _size_of(file: BinaryIO) -> int:
    """Bytes of an open file, which then stands at its beginning."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def _too_large(most: int) -> tuple[str, str]:
    return f"上傳檔超過 {most} 位元組", f"the upload has more than {most} bytes"


def _shown(info: zipfile.ZipInfo) -> str:
    """An entry's name for people. Zips made in Taiwan often hold Big5 names without saying so."""
    name = info.filename
    if not info.flag_bits & 0x800:
        try:
            name = name.encode("cp437").decode("cp950")
        except UnicodeError:
            name = info.filename
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)[:500]


def _digest_of(file: BinaryIO) -> bytes:
    """SHA-256 of a whole file, however large."""
    digest = sha256()
    file.seek(0)
    while chunk := file.read(_STEP):
        digest.update(chunk)
    return digest.digest()

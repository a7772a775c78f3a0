"""The files of a store on S3-compatible object storage.

Endpoint, region and credentials are the usual ``AWS_…`` of the environment. The storage must know
``If-None-Match: *`` on a PUT (AWS, MinIO and Ceph do): of two that create an object one wins. That
stands for the lock and the links of a disk; an object is there whole or not at all as it is.

Data files are created too, never overwritten: a request that was given up and arrives late after
all can't touch what a commit names. What creates an object leaves its mark on it, so a request that
took effect, but was not answered and sent again, is known as one's own.
"""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import obstore
import pyarrow.fs as fs
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import RetryConfig

_ATTEMPT: Final = "attempt"  # x-amz-meta-attempt
_TRIES: Final[RetryConfig] = {"max_retries": 10, "retry_timeout": timedelta(seconds=30)}


@dataclass(frozen=True)
class S3Files:
    """A folder of a bucket: what begins with ``prefix`` and a slash."""

    bucket: str
    prefix: str
    may_be_torn: bool = False
    fails_for_sure: bool = False

    @property
    def delta_options(self) -> Mapping[str, str] | None:
        endpoint = _endpoint()
        return {"aws_endpoint_url": endpoint, **_plainly(endpoint)} if endpoint else None

    @property
    def uri(self) -> str:
        return f"s3://{self._path('')}".rstrip("/")

    def at(self, name: str) -> S3Files:
        return S3Files(self.bucket, f"{self.prefix}/{name}" if self.prefix else name)

    def make(self) -> None:
        """Folders are but beginnings of names."""

    def read(self, name: str) -> bytes:
        with _os_errors():
            return bytes(obstore.get(self._store, self._key(name)).bytes())

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with _arrow(_endpoint()).open_input_file(self._path(name)) as file:
            yield cast(BinaryIO, file)

    def write(self, name: str, data: bytes) -> None:
        with _os_errors():
            obstore.put(self._store, self._key(name), data)

    def create(self, name: str, data: bytes) -> None:
        token = secrets.token_hex(8)
        try:
            with _os_errors():
                obstore.put(
                    self._store, self._key(name), data, attributes={_ATTEMPT: token},
                    mode="create", use_multipart=False,
                )  # fmt: skip
        except FileExistsError:
            if self._attempt(name) != token:  # else a second try has found what the first one made
                raise

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        file = io.BytesIO()
        yield file
        self.create(name, file.getvalue())

    def has(self, name: str) -> bool:
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        with _os_errors():
            return obstore.head(self._store, self._key(name))["size"]

    def remove(self, name: str) -> None:
        with _os_errors():
            obstore.delete(self._store, self._key(name))

    def names(self) -> list[str]:
        with _os_errors():
            found = obstore.list_with_delimiter(self._store, self._key(""))["objects"]
        return sorted(one["path"].rsplit("/", 1)[-1] for one in found)

    def all_names(self) -> Iterable[str]:
        below = self._key("")
        with _os_errors():
            for some in obstore.list(self._store, below):
                yield from (one["path"].removeprefix(below) for one in some)

    def drop_partial(self) -> None:
        """There are none."""

    def sync(self, name: str) -> None:
        """What was put is durable."""

    def sync_names(self, names: Iterable[str] = ()) -> None:
        """What was put is durable."""

    def filesystem(self) -> fs.FileSystem:
        return fs.SubTreeFileSystem(self._path("").rstrip("/"), _arrow(_endpoint()))

    def _attempt(self, name: str) -> str | None:
        """What marks the attempt that created a file."""
        with _os_errors():
            found = obstore.get(self._store, self._key(name), options={"head": True})
            return found.attributes.get(_ATTEMPT)

    @property
    def _store(self) -> S3Store:
        return _client(self.bucket, _endpoint())

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _path(self, name: str) -> str:
        return f"{self.bucket}/{self._key(name)}"


@contextmanager
def _os_errors() -> Iterator[None]:
    """Faults of the storage as those of a disk."""
    try:
        yield
    except AlreadyExistsError as error:
        raise FileExistsError(str(error)) from error
    except BaseError as error:
        raise OSError(str(error)) from error


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _plainly(endpoint: str) -> dict[str, str]:
    """An endpoint that is given as http: is meant so."""
    return {"aws_allow_http": "true"} if endpoint.startswith("http:") else {}


@cache
def _client(bucket: str, endpoint: str | None) -> S3Store:
    """One client a bucket and process; any thread may use it."""
    plain = endpoint is not None and bool(_plainly(endpoint))
    return S3Store(
        bucket, endpoint=endpoint, retry_config=_TRIES, client_options={"allow_http": plain}
    )


@cache
def _arrow(endpoint: str | None) -> fs.S3FileSystem:
    """Arrow's own client: delta-rs's would call Python from threads that outlive it."""
    scheme = "http" if endpoint and endpoint.startswith("http:") else "https"
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return fs.S3FileSystem(endpoint_override=endpoint, scheme=scheme, region=region)

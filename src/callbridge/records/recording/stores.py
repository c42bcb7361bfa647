"""Where recordings lie: a directory, or a store that speaks S3. For threads, and for the process that stores.

A name has neither a folder nor anything else in it that could lead elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME: Final = re.compile(r"[A-Za-z0-9]{2,64}-[A-Za-z0-9]{2,64}\.(?:wav|opus)", re.ASCII)
"""CallSid, StreamSid, and the kind of file."""

TYPES: Final = {"wav": "audio/wav", "opus": "audio/ogg"}

_ATTEMPTS: Final = 2
_CONNECT_S, _READ_S = 5, 60


class StoreAwayError(Exception):
    """The store cannot be reached, or does not want it. The text says why."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Which store: what `opened` makes one of, also in another process."""

    directory: str = ""
    """Set for a directory; otherwise the rest counts."""
    bucket: str = ""
    prefix: str = ""
    endpoint: str = ""
    """The address of the store; empty for that of Amazon."""
    region: str = ""
    key_id: str = ""
    key_secret: str = ""
    """Both empty: as boto3 finds them."""

    def __repr__(self) -> str:
        """Without the secret: settings and tasks that have it may be shown."""
        return f"<Place {self.directory or f's3://{self.bucket}/{self.prefix}'}>"


class Store(Protocol):
    """A store."""

    def put(self, path: Path, name: str) -> None:
        """Stores a file. The same again changes nothing.

        Raises:
            StoreAwayError: it is not stored.
        """

    def get(self, name: str) -> bytes:
        """A recording, whole.

        Raises:
            FileNotFoundError: there is none.
            StoreAwayError: nobody knows.
        """

    def delete(self, name: str) -> bool:
        """Deletes one. Whether it was there, as far as the store says so.

        Raises:
            StoreAwayError: it may still be there.
        """

    def stored_before(self, at: float) -> Iterator[str]:
        """The names of those that were stored before then, in seconds since 1970.

        Raises:
            StoreAwayError: nobody knows.
        """


@cache
def opened(place: Place) -> Store:
    """The store, made once. Does not ask whether it is there.

    Raises:
        ImportError: its library is not installed; says how to do that.
    """
    from pathlib import Path  # noqa: PLC0415 - a type elsewhere

    return DirectoryStore(Path(place.directory)) if place.directory else S3Store(place)


def is_name(name: str) -> bool:
    """Whether a recording may be called so."""
    return NAME.fullmatch(name) is not None


def checked(name: str) -> str:
    """The name of a recording.

    Raises:
        ValueError: this is none.
    """
    if not is_name(name):
        raise ValueError(f"{name[:80]!r} is not the name of a recording")
    return name


class DirectoryStore:
    """A directory of this machine, or one that is mounted."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, name: str) -> Path:
        """Where a recording lies, or would."""
        return self._directory / checked(name)

    def put(self, path: Path, name: str) -> None:
        """See `Store`. It is there whole or not at all."""
        target = self.path(name)
        part = target.with_name(f".{name}.part")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, part.open("wb") as file:
                part.chmod(0o600)
                shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
            _sync_folder(self._directory)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise StoreAwayError(f"{self._directory}: {error.strerror or error}") from error

    def get(self, name: str) -> bytes:
        """See `Store`."""
        return self.path(name).read_bytes()

    def delete(self, name: str) -> bool:
        """See `Store`."""
        try:
            self.path(name).unlink()
            _sync_folder(self._directory)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreAwayError(f"{self._directory}: {error.strerror or error}") from error
        return True

    def stored_before(self, at: float) -> Iterator[str]:
        """See `Store`."""
        try:
            found = list(self._directory.iterdir())
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreAwayError(f"{self._directory}: {error.strerror or error}") from error
        for path in found:
            if NAME.fullmatch(path.name) and path.stat().st_mtime < at:
                yield path.name


def _sync_folder(folder: Path) -> None:
    """What was renamed or removed in it is so after a loss of power, too."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class S3Store:
    """A bucket.

    Raises:
        ImportError: boto3 is not installed.
    """

    def __init__(self, place: Place) -> None:
        try:
            import boto3  # noqa: PLC0415 - few store there, and it takes 0.2 s
            from botocore.config import Config  # noqa: PLC0415 - see above
        except ImportError as error:
            raise ImportError(
                "recordings go to s3://, which needs boto3: pip install 'callbridge[s3]'"
            ) from error
        self._place = place
        config = Config(
            retries={"max_attempts": _ATTEMPTS, "mode": "standard"},
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            signature_version="s3v4",
        )
        # Stores beside Amazon's know buckets as folders of one host, and region and key are theirs to name.
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=place.endpoint or None,
            region_name=place.region or ("us-east-1" if place.endpoint else None),
            aws_access_key_id=place.key_id or None,
            aws_secret_access_key=place.key_secret or None,
            config=config,
        )

    def _key(self, name: str) -> str:
        return "/".join(filter(None, (self._place.prefix, checked(name))))

    def put(self, path: Path, name: str) -> None:
        """See `Store`."""
        kind = TYPES[name.rpartition(".")[2]]
        with _asked(self._place.bucket), path.open("rb") as file:
            self._client.put_object(
                Bucket=self._place.bucket, Key=self._key(name), Body=file, ContentType=kind
            )

    def get(self, name: str) -> bytes:
        """See `Store`."""
        with _asked(self._place.bucket):
            found = self._client.get_object(Bucket=self._place.bucket, Key=self._key(name))
            body: bytes = found["Body"].read()
            return body

    def delete(self, name: str) -> bool:
        """See `Store`. S3 does not say whether there was something: it is asked before."""
        bucket, key = self._place.bucket, self._key(name)
        with _asked(bucket):
            try:
                self._client.head_object(Bucket=bucket, Key=key)
            except self._client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise
                return False
            self._client.delete_object(Bucket=bucket, Key=key)
            return True

    def stored_before(self, at: float) -> Iterator[str]:
        """See `Store`."""
        pages = self._client.get_paginator("list_objects_v2")
        prefix = f"{self._place.prefix}/" if self._place.prefix else ""
        with _asked(self._place.bucket):
            for page in pages.paginate(Bucket=self._place.bucket, Prefix=prefix):
                for found in page.get("Contents", ()):
                    name = found["Key"][len(prefix) :]
                    if NAME.fullmatch(name) and found["LastModified"].timestamp() < at:
                        yield name

    def signed_url(self, name: str, valid_s: float) -> str:
        """An address under which anybody can fetch it for so long. Asks nobody."""
        url: str = self._client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._place.bucket, "Key": self._key(name)},
            ExpiresIn=max(1, round(valid_s)),
        )
        return url


@contextlib.contextmanager
def _asked(bucket: str) -> Iterator[None]:
    """What the library raises becomes the two errors of a store."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - it is there by now

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            raise FileNotFoundError(f"no such recording in {bucket}") from error
        raise StoreAwayError(f"s3://{bucket}: {error.response['Error']['Code']}") from error
    except BotoCoreError as error:
        raise StoreAwayError(f"s3://{bucket}: {error}") from error

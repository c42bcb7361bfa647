"""Where recordings of calls go: a part of the settings. Whether one is made says the agent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from callbridge.records.recording.stores import Place
from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_names import variable
from callbridge.server.config.setting_values import base_url

_S3: Final = "s3://"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*")

UNFINISHED: Final = "unfinished"
"""The folder of what is still written, or waits for its store."""


def _target(text: str) -> str:
    if not text.startswith(_S3):
        if "://" in text:
            raise ValueError("must be a directory, or s3://bucket/prefix")
        return text
    bucket, _, prefix = text.removeprefix(_S3).partition("/")
    prefix = prefix.strip("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("must name a bucket: s3://my-bucket/recordings")
    if prefix and not _PREFIX.fullmatch(prefix):
        raise ValueError("must have a plain prefix: letters, digits, - and _ between slashes")
    return _S3 + "/".join(filter(None, (bucket, prefix)))


class RecordingSettings(RestSettings):
    """The settings of recordings."""

    recordings: Annotated[str, AfterValidator(_target)] | None = None
    """A directory, or s3://bucket/prefix. Not set: no call is recorded, whatever its agent wants."""

    recordings_kept_days: int = Field(30, ge=1, le=36_500)
    """How long they are kept."""

    recordings_endpoint: Annotated[str, AfterValidator(base_url)] | None = None
    """The address of a store that speaks S3; not set: Amazon's."""

    recordings_region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = None
    """The region of the bucket; not set: as AWS's own tools find it."""

    recordings_key_id: Annotated[str, Field(pattern=r"^[!-~]+$")] | None = None
    """The access key of the store; not set: as AWS's own tools find it."""

    recordings_key_secret: SecretStr | None = None
    """Its secret."""

    @property
    def recordings_place(self) -> Place | None:
        """Where recordings go; nothing where none is made."""
        if self.recordings is None:
            return None
        if not self.recordings.startswith(_S3):
            return Place(directory=self.recordings)
        bucket, _, prefix = self.recordings.removeprefix(_S3).partition("/")
        secret = self.recordings_key_secret
        return Place(
            bucket=bucket,
            prefix=prefix,
            endpoint=self.recordings_endpoint or "",
            region=self.recordings_region or "",
            key_id=self.recordings_key_id or "",
            key_secret="" if secret is None else secret.get_secret_value(),
        )

    def unfinished_recordings(self, state_path: Path | None) -> Path:
        """Where they are written while the call runs: in their directory, or beside the state."""
        if self.recordings is not None and not self.recordings.startswith(_S3):
            return Path(self.recordings) / UNFINISHED
        assert state_path is not None, "the settings were judged"
        return state_path.parent / "recordings" / UNFINISHED

    @model_validator(mode="after")
    def _recordings_have_what_they_need(self) -> Self:
        is_s3 = self.recordings is not None and self.recordings.startswith(_S3)
        if is_s3 and getattr(self, "state_path", None) is None:
            raise ValueError(
                f"{variable('recordings')} is a bucket: what is not stored there yet lies beside the state. "
                f"Set {variable('state_path')} to a file on a disk that survives a restart"
            )
        if (self.recordings_key_id is None) != (self.recordings_key_secret is None):
            names = (variable("recordings_key_id"), variable("recordings_key_secret"))
            raise ValueError(f"{' and '.join(names)} belong together. Set both, or remove both")
        return self

"""Where numbers pointed before we pointed them elsewhere: a small file for each, so that it can be put back.

A file has the number and addresses of others in it, so only its owner may read it. It stands beside the file
of the state, or in the user's data folder.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.server.config.data_folder import data_folder
from callbridge.telephony.rest.records import Pointing

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings

FOLDER: Final = "callbridge-numbers"


class Kept(msgspec.Struct, frozen=True):
    """What is kept of one number."""

    number: str
    before: Pointing
    """Where it pointed."""
    after: Pointing
    """Where we have pointed it."""


class KeptError(Exception):
    """The file cannot be read or written. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class KeptPointings:
    """The files of one account."""

    folder: Path

    def find(self, number_sid: str) -> Kept | None:
        """What is kept of this number; nothing where we have not pointed it.

        Raises:
            KeptError: there is a file that cannot be used.
        """
        path = self._path(number_sid)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as fault:
            raise KeptError(f"{path} cannot be read: {fault}. Repair it, or move it away.") from fault

    def keep(self, number_sid: str, kept: Kept) -> Path:
        """Writes it down before the number is changed: all of it, or nothing.

        Raises:
            KeptError: it cannot be written.
        """
        path = self._path(number_sid)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.folder)  # Readable for its owner alone.
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(kept), indent=2))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except OSError as fault:
            raise KeptError(
                f"What the number points at now cannot be kept in {path}: {fault.strerror}. Nothing was "
                "changed. Let this user write there, or set CALLBRIDGE_STATE_PATH."
            ) from fault
        return path

    def put_back(self, number_sid: str, earlier: Kept | None) -> None:
        """Nothing was changed: what was kept before is kept again."""
        if earlier is None:
            self.forget(number_sid)
        else:
            self.keep(number_sid, earlier)

    def forget(self, number_sid: str) -> None:
        """It was put back."""
        self._path(number_sid).unlink(missing_ok=True)

    def _path(self, number_sid: str) -> Path:
        return self.folder / f"{number_sid}.json"


def kept_pointings(settings: Settings) -> KeptPointings:
    """Those of the account of the settings."""
    beside = settings.state_path.absolute().parent if settings.state_path else data_folder()
    return KeptPointings(beside / FOLDER / settings.twilio_account_sid)

"""What others have written and the pages use, as `static/vendor/vendored.toml` lists it."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

STATIC: Final = Path(__file__).parent / "static"
VENDOR: Final = STATIC / "vendor"
LIST: Final = "vendored.toml"


class Vendored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file."""

    name: str
    """Of the package at the npm registry."""
    version: str
    licence: str
    licence_file: str
    in_package: str
    file: str
    sha256: str


@cache
def vendored_files() -> tuple[Vendored, ...]:
    """All of them."""
    listed = tomllib.loads((VENDOR / LIST).read_text(encoding="utf-8"))
    return tuple(msgspec.convert(listed["file"], list[Vendored]))

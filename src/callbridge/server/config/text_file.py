"""The text of a file that a setting names, within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def text_in(path: Path, bytes_max: int, too_long: str, fault: Callable[[str], Exception]) -> str:
    """What stands in the file at `path`.

    Args:
        path: the file. Some editors of Windows begin one with a mark, which is left out.
        bytes_max: more is not read.
        too_long: what is said of a longer one.
        fault: makes what is raised when the file cannot be used, of what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
        if len(content) > bytes_max:
            raise fault(too_long)
        return content.decode("utf-8-sig")
    except OSError as error:
        raise fault(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise fault("is not UTF-8; save it as UTF-8") from error

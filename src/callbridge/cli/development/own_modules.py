"""The modules of the project: which of the imported ones are its own, and how they are imported anew."""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_OF_OTHERS: Final = frozenset({"site-packages", "dist-packages", ".venv", "venv"})
_OURS: Final = "callbridge"


class OwnModules:
    """Those whose files lie in the project, but for what is installed there.

    Args:
        project: its folder.
    """

    def __init__(self, project: Path) -> None:
        self._project = project.resolve()

    def loaded(self) -> dict[str, ModuleType]:
        """Those that are imported now, by name."""
        return {name: module for name, module in list(sys.modules.items()) if self._is_own(name, module)}

    def files(self) -> set[Path]:
        """Where they are."""
        return {Path(str(module.__file__)).resolve() for module in self.loaded().values()}

    def _is_own(self, name: str, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        if (
            name in {"__main__", "__mp_main__"}
            or name.partition(".")[0] == _OURS
            or not isinstance(file, str)
        ):
            return False
        path = Path(file).resolve()
        return path.is_relative_to(self._project) and not _OF_OTHERS & set(path.parts)

    @contextlib.contextmanager
    def anew(self) -> Iterator[None]:
        """Within it they are imported again when they are asked for. If it fails, those before are back."""
        before = self.loaded()
        for name, module in before.items():
            del sys.modules[name]
            _forget_compiled(module)
        importlib.invalidate_caches()
        is_done = False
        try:
            yield
            is_done = True
        finally:
            if not is_done:
                for name in self.loaded():
                    del sys.modules[name]
                sys.modules.update(before)


def _forget_compiled(module: ModuleType) -> None:
    """A file that is changed twice in a second, and is as long as before, would be taken for the old one."""
    compiled = getattr(module, "__cached__", None)
    if isinstance(compiled, str):
        with contextlib.suppress(OSError):
            Path(compiled).unlink(missing_ok=True)

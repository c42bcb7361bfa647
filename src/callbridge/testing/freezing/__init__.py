"""A call that was had becomes a scenario: what its caller, its model and its tools did."""

from callbridge.testing.freezing.freeze import Frozen, NotFrozenError, frozen, write
from callbridge.testing.freezing.own_tools import own_tools

__all__ = ["Frozen", "NotFrozenError", "frozen", "own_tools", "write"]

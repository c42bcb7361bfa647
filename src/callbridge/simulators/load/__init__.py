"""Many callers at once, from one process, each at a telephone's own pace: what they heard, in sums.

Pure: `figures`, `stamps`. Shell: `placing`. It says of itself how late its own frames were: figures of a
tool that could not keep up are none of the service's.
"""

from __future__ import annotations

from callbridge.simulators.load.figures import LoadReport, Spread
from callbridge.simulators.load.placing import Load, LoadState, place_calls

__all__ = ["Load", "LoadReport", "LoadState", "Spread", "place_calls"]

"""Where the real voice model is, for a test that asks for it: the variables of the service, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.server.config.settings import find_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY: Final = "OPENAI_API_KEY"

_TAKEN: Final = (KEY, "CALLBRIDGE_REALTIME_URL", "CALLBRIDGE_REALTIME_MODEL", "CALLBRIDGE_REALTIME_VOICE")


def real_model_variables(environment: Mapping[str, str] | None = None) -> dict[str, str] | None:
    """What the service is to be told of it; None where there is no key.

    Args:
        environment: where it is looked for; by default in that of this process and its `.env` file.
    """
    values = find_variables(environment).values
    return {name: values[name] for name in _TAKEN if name in values} if KEY in values else None

"""Fields are read here as a form reads them: one type, in a call at noon of a Saturday."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pydantic import create_model

from callbridge.agents.fields.ready import At, Ready, ready_of

NOW = dt.datetime(2026, 11, 28, 11, 0, 30, tzinfo=dt.UTC)
"""A Saturday, noon in Berlin."""


def at(**changed: str) -> At:
    """In English, in Berlin, phones in the United States, unless it is said otherwise."""
    return At(**{"language": "en", "region": "US", "time_zone": "Europe/Berlin", **changed}, now=NOW)


def ready(kind: Any) -> Ready:
    """How a field of this type is read."""
    return ready_of(create_model("Form", field=(kind, ...)).model_fields["field"])


def read(kind: Any, said: object, **changed: str) -> Any:
    """The value. Reading it again must give it again, and the form's own type must take it."""
    value = ready(kind).read(said, at(**changed))
    assert ready(kind).read(value, at(**changed)) == value
    form = create_model("Form", field=(kind, ...))
    kept = form.model_validate({"field": value}).model_dump(mode="json")["field"]
    assert isinstance(kept, type(value))
    return value


def read_back(kind: Any, said: object, **changed: str) -> str:
    """What the caller hears before they confirm it."""
    return ready(kind).read_back(read(kind, said, **changed), at(**changed))


def refused(kind: Any, said: object, **changed: str) -> str:
    """The words for the model."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - what it says is judged by who asks
        ready(kind).read(said, at(**changed))
    assert type(raised.value) is ValueError
    return str(raised.value)

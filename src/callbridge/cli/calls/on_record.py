"""One call on record, for a command that asks a running service: where it may be when it is not there."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from callbridge.cli.call_names import named_sid
from callbridge.cli.records_database import opened_records
from callbridge.observe.redaction import escaped
from callbridge.records.errors import RecordsError
from callbridge.records.in_words import moment
from callbridge.state.neighbours import machine_of

if TYPE_CHECKING:
    from callbridge.records.story import CallStory, StreamPart
    from callbridge.server.config.settings import Settings


def story_on_record(settings: Settings, name: str) -> CallStory | None:
    """The one call that is called so; nothing where there is none, no record, or nobody who reads it now."""
    with contextlib.suppress(RecordsError), opened_records(settings) as database:
        from callbridge.records.reading import Records  # noqa: PLC0415 - SQLAlchemy is slow

        records = Records(database)
        return records.story(named_sid(records, name))
    return None


def where_it_is(story: CallStory, stream: StreamPart) -> str:
    """Since when a machine carries a call, and how it is followed there."""
    at = moment(story.began_at + stream.began_ms / 1000)
    machine = escaped(machine_of(stream.process))
    return (
        f"since {at:%H:%M:%S} at the machine {machine}. To follow it, run this there: "
        f"callbridge calls follow {story.call_sid}"
    )

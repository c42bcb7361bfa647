"""`Recordings`: what was recorded, to list, fetch and delete.

Source: twilio.com/docs/voice/api/recording. What is deleted is known for 40 days more, without its sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.simulators.account.formats import day_of
from callbridge.simulators.account.pages import PAGING, page_2010
from callbridge.simulators.account.rest import RestAnswer, not_found

if TYPE_CHECKING:
    from callbridge.simulators.account.asked import Asked
    from callbridge.simulators.account.ledger import Ledger
    from callbridge.simulators.account.recording import Recording

LIST_PARAMETERS: Final = PAGING | {
    *("DateCreated", "DateCreated<", "DateCreated>", "CallSid", "ConferenceSid", "IncludeSoftDeleted"),
}
FETCH_PARAMETERS: Final = frozenset({"IncludeSoftDeleted"})


def listed(ledger: Ledger, asked: Asked) -> RestAnswer:
    """GET of the list, of the account or of one call; the newest first."""
    form = asked.form
    of_call = asked.parts[0] if asked.parts else form.get("CallSid")
    of_room = form.get("ConferenceSid")
    found = [
        recording.resource(ledger.settings.account_sid, asked.request.origin)
        for recording in reversed(ledger.recordings.values())
        if of_call in {"", recording.call_sid}
        and of_room in {"", recording.conference_sid}
        and (recording.deleted_at is None or form.is_true("IncludeSoftDeleted"))
        and _is_of_day(recording, asked)
    ]
    return page_2010(asked, "recordings", found)


def _is_of_day(recording: Recording, asked: Asked) -> bool:
    day = day_of(recording.created_at).isoformat()
    names = ("DateCreated", "DateCreated<", "DateCreated>")
    on, until, since = (asked.form.get(name)[:10] for name in names)
    return on in {"", day} and (not until or day <= until) and (not since or day >= since)


def _one(ledger: Ledger, asked: Asked) -> Recording:
    recording = ledger.recordings.get(asked.sid)
    is_there = recording is not None and (
        recording.deleted_at is None or asked.form.is_true("IncludeSoftDeleted")
    )
    if recording is None or not is_there:
        raise not_found(asked.path)
    return recording


def fetched(ledger: Ledger, asked: Asked) -> RestAnswer:
    """GET of one."""
    found = _one(ledger, asked)
    return RestAnswer(200, found.resource(ledger.settings.account_sid, asked.request.origin))


def deleted(ledger: Ledger, asked: Asked) -> RestAnswer:
    """DELETE: its sound is gone."""
    _one(ledger, asked).deleted_at = ledger.clock()
    return RestAnswer(204)

"""Conferences: who is in which room, when the talk begins, who ends it, and what is told of it.

Pure. A leg is carried in and out by `execution`, and the news are posted by the exchange. Source:
twilio.com/docs/voice/twiml/conference.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callbridge.simulators.phone.dial_nouns import Callback, Room
    from callbridge.simulators.phone.leg import Leg

LABEL_CHARACTERS_MAX = 128

News: TypeAlias = "Callable[[Callback, str, dict[str, str]], None]"
"""Told where the news goes, the event's name, and its parameters."""


@dataclass(eq=False, slots=True)
class Participant:
    """A leg in a room."""

    leg: Leg
    room: Room
    is_muted: bool
    is_on_hold: bool = False
    coaches: str | None = None
    """CallSid of the only leg that hears this one."""
    ends: bool = False
    """With this leg all others fall out."""
    left: str | None = None
    """Why it is not there any more, as `participant_hung_up`."""
    joined_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def label(self) -> str | None:
        """`participantLabel`."""
        return self.room.label


@dataclass(eq=False, slots=True)
class Conference:
    """One room, from its first leg to its last."""

    sid: str
    name: str
    callback: Callback | None
    """The first leg's: those of later ones do not count."""
    account_sid: str
    news: News
    status: str = "init"
    """`init`, `in-progress` or `completed`."""
    participants: list[Participant] = field(default_factory=list)
    """Those who are there."""
    stays_s: list[float] = field(default_factory=list)
    """How long each who has left was there: they are billed by the minute."""
    reason_ended: str | None = None
    ended_by: str | None = None
    """CallSid of the leg with which it ended."""
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the next change; then there is another one."""
    _told: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nobody can enter any more."""
        return self.status == "completed"

    @property
    def has_begun(self) -> bool:
        """Whether those who are there hear each other."""
        return self.status == "in-progress"

    def participant(self, whom: str) -> Participant | None:
        """The one with this CallSid or label."""
        return next((one for one in self.participants if whom in {one.leg.sid, one.label}), None)

    def others(self, participant: Participant) -> list[Participant]:
        """Whom a participant hears."""
        if not self.has_begun or participant.is_on_hold:
            return []
        return [
            other
            for other in self.participants
            if other is not participant
            and not (other.is_muted or other.is_on_hold)
            and other.coaches in {None, participant.leg.sid}
        ]

    # --- Coming and going -------------------------------------------------------------------

    def fault(self, room: Room) -> tuple[int, str] | None:
        """Why a leg is not let in."""
        return next(self._faults(room), None)

    def _faults(self, room: Room) -> Iterator[tuple[int, str]]:
        label = room.label
        if label is not None and not _is_label(label):
            yield 16023, f"participantLabel {label!r}"
        if label is not None and self.participant(label) is not None:
            yield 16025, f"participantLabel {label!r}"
        if len(self.participants) >= room.participants_max:
            yield 16020, f"{room.participants_max} participants"
        coached = None if room.coach is None else self.participant(room.coach)
        if room.coach is not None and coached is None:
            yield 13240, f"coach {room.coach!r}"
        if coached is not None and coached.is_on_hold:
            yield 16027, f"coach {room.coach!r}"

    def join(self, leg: Leg, room: Room) -> Participant:
        """A leg comes in; `fault` has let it."""
        assert not self.is_over, "a room that is over is left behind: the next leg opens another"
        participant = Participant(leg, room, room.is_muted, coaches=room.coach, ends=room.ends)
        self.participants.append(participant)
        self._tell("join", "participant-join", self._of(participant))
        if (
            self.status == "init"
            and len(self.participants) > 1
            and any(p.room.starts for p in self.participants)
        ):
            self.status = "in-progress"
            self._tell("start", "conference-start", {})
        self._change()
        return participant

    def leave(self, participant: Participant, reason: str) -> None:
        """A leg goes; the room may end with it."""
        if participant.left is not None:
            return
        self._part(participant, reason)
        if participant.ends:
            self._end("participant-with-end-conference-on-exit-left", participant)
        elif not self.participants:
            self._end("last-participant-left", participant)
        self._change()

    def end(self) -> None:
        """Somebody ends it over REST; all legs go on with their own documents."""
        if not self.is_over:
            self._end("conference-ended-via-api", None)
            self._change()

    def kick(self, participant: Participant) -> None:
        """Somebody takes a leg out over REST."""
        if participant.left is not None:
            return
        self._part(participant, "participant_updated_via_api")
        if participant.ends:
            self._end("participant-with-end-conference-on-exit-kicked", participant)
        elif not self.participants:
            self._end("last-participant-kicked", participant)
        self._change()

    def mute(self, participant: Participant, *, is_muted: bool) -> None:
        """Nobody hears the leg, or all do again."""
        if is_muted != participant.is_muted:
            participant.is_muted = is_muted
            self._tell("mute", f"participant-{'mute' if is_muted else 'unmute'}", self._of(participant))
            self._change()

    def hold(self, participant: Participant, *, is_on_hold: bool) -> None:
        """The leg hears nobody and is not heard, or takes part again."""
        if is_on_hold != participant.is_on_hold:
            participant.is_on_hold = is_on_hold
            self._tell("hold", f"participant-{'hold' if is_on_hold else 'unhold'}", self._of(participant))
            self._change()

    def modify(self, participant: Participant, *, coaches: str | None, ends: bool) -> None:
        """Who alone hears the leg, and whether all others fall out with it."""
        participant.coaches, participant.ends = coaches, ends
        self._tell("modify", "participant-modify", self._of(participant))
        self._change()

    def _part(self, participant: Participant, reason: str) -> None:
        self.participants.remove(participant)
        participant.left = reason
        self.stays_s.append((datetime.now(UTC) - participant.joined_at).total_seconds())
        told = {"ParticipantCallStatus": participant.leg.status, "ReasonParticipantLeft": reason}
        self._tell("leave", "participant-leave", self._of(participant) | told)

    def _end(self, reason: str, by: Participant | None) -> None:
        self.reason_ended, self.ended_by = reason, by.leg.sid if by else None
        why = "conference_ended_via_api" if by is None else "moderator_ended_conference"
        for participant in tuple(self.participants):
            self._part(participant, why)
        self.status = "completed"
        told = {"ReasonConferenceEnded": reason, "Reason": reason.replace("-", " ")}
        if by is not None:
            told["CallSidEndingConference"] = by.leg.sid
            told |= {"ParticipantLabelEndingConference": by.label} if by.label else {}
        self._tell("end", "conference-end", told)

    def _change(self) -> None:
        self.updated_at = datetime.now(UTC)
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    # --- News ---------------------------------------------------------------------------------

    def _tell(self, kind: str, event: str, more: dict[str, str]) -> None:
        if self.callback is None or kind not in self.callback.events:
            return
        self._told += 1
        told = {
            "AccountSid": self.account_sid,
            "ConferenceSid": self.sid,
            "FriendlyName": self.name,
            "StatusCallbackEvent": event,
            "SequenceNumber": str(self._told),
            "Timestamp": format_datetime(datetime.now(UTC)),
        }
        self.news(self.callback, event, told | more)

    def _of(self, participant: Participant) -> dict[str, str]:
        told = {
            "CallSid": participant.leg.sid,
            "Muted": _word(participant.is_muted),
            "Hold": _word(participant.is_on_hold),
            "Coaching": _word(participant.coaches is not None),
            "StartConferenceOnEnter": _word(participant.room.starts),
            "EndConferenceOnExit": _word(participant.ends),
        }
        told |= {"ParticipantLabel": participant.label} if participant.label else {}
        return told | ({"CallSidToCoach": participant.coaches} if participant.coaches else {})


class Conferences:
    """The rooms of an account, also those that are over."""

    def __init__(self, account_sid: str, news: News) -> None:
        self.all: dict[str, Conference] = {}
        """By their SID, in the order in which they were opened."""
        self._account_sid = account_sid
        self._news = news

    def named(self, name: str) -> Conference | None:
        """The room of that name in which somebody is, or for which somebody waits."""
        return next((one for one in self.all.values() if one.name == name and not one.is_over), None)

    def open(self, room: Room) -> Conference:
        """The room of that name, opened if it is not; its first leg says who is told of it."""
        found = self.named(room.name)
        if found is None:
            sid = f"CF{secrets.token_hex(16)}"
            found = Conference(sid, room.name, room.callback, self._account_sid, self._news)
            self.all[sid] = found
        return found


def _is_label(label: str) -> bool:
    is_sid = re.fullmatch(r"CA[0-9a-fA-F]{32}", label)
    return len(label) <= LABEL_CHARACTERS_MAX and "/" not in label and not is_sid


def _word(flag: bool) -> str:
    return "true" if flag else "false"

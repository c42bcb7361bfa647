"""`Conferences/{CF}/Participants`: who is in a room; to add, mute, hold and take out.

Source: twilio.com/docs/voice/api/conference-participant-resource. They are known by CallSid or label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from callbridge.simulators.account.call_form import check_called, check_sender, events
from callbridge.simulators.account.formats import API, rfc2822
from callbridge.simulators.account.pages import PAGING, page_2010
from callbridge.simulators.account.rest import Refusal, RestAnswer, not_found
from callbridge.simulators.account.telephone import NewLeg
from callbridge.simulators.phone.dial_nouns import Callback, Room

if TYPE_CHECKING:
    from callbridge.simulators.account.asked import Asked
    from callbridge.simulators.account.conferences import Rooms
    from callbridge.simulators.account.form import Form
    from callbridge.simulators.account.ledger import Ledger
    from callbridge.simulators.account.telephone import Exchange, Leg
    from callbridge.simulators.phone.conferences import Conference, Participant

CREATE_PARAMETERS: Final = frozenset(
    {
        *("From", "To", "StatusCallback", "StatusCallbackMethod", "StatusCallbackEvent", "Label", "Timeout"),
        *("Record", "Muted", "Beep", "StartConferenceOnEnter", "EndConferenceOnExit", "WaitUrl"),
        *("WaitMethod", "EarlyMedia", "MaxParticipants", "ConferenceRecord", "ConferenceTrim"),
        *("ConferenceStatusCallback", "ConferenceStatusCallbackMethod", "ConferenceStatusCallbackEvent"),
        *("RecordingChannels", "RecordingStatusCallback", "RecordingStatusCallbackMethod", "Region"),
        *("SipAuthUsername", "SipAuthPassword", "ConferenceRecordingStatusCallback", "Coaching"),
        *("ConferenceRecordingStatusCallbackMethod", "RecordingStatusCallbackEvent", "CallSidToCoach"),
        *("ConferenceRecordingStatusCallbackEvent", "JitterBufferSize", "Byoc", "CallerId", "CallReason"),
        *("RecordingTrack", "TimeLimit", "MachineDetection", "MachineDetectionTimeout", "CallToken"),
        *("MachineDetectionSpeechThreshold", "MachineDetectionSpeechEndThreshold", "Trim"),
        *("MachineDetectionSilenceTimeout", "AmdStatusCallback", "AmdStatusCallbackMethod"),
        *("ClientNotificationUrl", "CallerDisplayName", "Passports", "RecordingConfigurationId"),
        *("EmergencyCallerName", "EmergencyAddressSid", "EmergencyCallerSid"),
        *("AsyncAmd", "AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod"),
    }
)
UPDATE_PARAMETERS: Final = frozenset(
    {
        *("Muted", "Hold", "HoldUrl", "HoldMethod", "AnnounceUrl", "AnnounceMethod", "WaitUrl", "WaitMethod"),
        *("BeepOnExit", "EndConferenceOnExit", "Coaching", "CallSidToCoach"),
    }
)
UNSIMULATED: Final = frozenset(
    {"MachineDetection", "Record", "ConferenceRecord", "CallToken", "CallerId", "CallerDisplayName", "Byoc"}
)
UNSIMULATED_CHANGES: Final = frozenset({"HoldUrl", "WaitUrl", "AnnounceUrl", "BeepOnExit"})
"""What nobody here would hear: on hold it is silent."""

LIST_PARAMETERS: Final = PAGING | {"Muted", "Hold", "Coaching"}

_AS_ATTRIBUTES: Final = {
    "Label": "participantLabel",
    "Muted": "muted",
    "Beep": "beep",
    "StartConferenceOnEnter": "startConferenceOnEnter",
    "EndConferenceOnExit": "endConferenceOnExit",
    "WaitUrl": "waitUrl",
    "WaitMethod": "waitMethod",
    "MaxParticipants": "maxParticipants",
    "JitterBufferSize": "jitterBufferSize",
    "CallSidToCoach": "coach",
    "ConferenceStatusCallback": "statusCallback",
    "ConferenceStatusCallbackMethod": "statusCallbackMethod",
    "ConferenceStatusCallbackEvent": "statusCallbackEvent",
}
"""What is said of the room by `<Conference>`, by the name that the API has for it."""


class Participants:
    """Who is in the rooms of an account."""

    def __init__(self, ledger: Ledger, exchange: Exchange, rooms: Rooms) -> None:
        self._ledger = ledger
        self._exchange = exchange
        self._rooms = rooms

    def _find(self, asked: Asked) -> tuple[Conference, Participant]:
        room = self._rooms.find(asked.parts[0], asked)
        participant = room.participant(asked.parts[1])
        if participant is None:
            raise not_found(asked.path)
        return room, participant

    def fetched(self, asked: Asked) -> RestAnswer:
        """GET of one who is there."""
        return RestAnswer(200, self._resource(*self._find(asked)))

    def listed(self, asked: Asked) -> RestAnswer:
        """GET of the list: of those who are there."""
        room, form = self._rooms.find(asked.parts[0], asked), asked.form
        found = [
            self._resource(room, one)
            for one in room.participants
            if form.get("Muted").lower() in {"", _word(one.is_muted)}
            and form.get("Hold").lower() in {"", _word(one.is_on_hold)}
            and form.get("Coaching").lower() in {"", _word(one.coaches is not None)}
        ]
        return page_2010(asked, "participants", found)

    def added(self, asked: Asked) -> RestAnswer:
        """POST to the list: somebody is rung, and is in the room once they pick up. A name opens the room."""
        form, name = asked.form, asked.parts[0]
        rooms = self._exchange.conferences
        known = rooms.all.get(name) or rooms.named(name)
        if known is not None and known.is_over:
            raise Refusal(16022, name)
        to, sender = form.get("To"), form.get("From")
        if not to or not sender:
            raise Refusal(21201 if not to else 21213)
        check_called(self._ledger, to)
        check_sender(self._ledger, sender, to)
        form.refuse(UNSIMULATED)
        if {"AsyncAmd", "AsyncAmdStatusCallback"} & {name for name, _ in form.pairs}:
            self._ledger.complain(21263, "AsyncAmd of a participant")
        room = known or rooms.open(Room(name, callback=_told_of_room(form)))
        leg = self._exchange.call_out(self._new_leg(form, room.name))
        return RestAnswer(201, self._rung(leg, form, room))

    def _new_leg(self, form: Form, room_name: str) -> NewLeg:
        return NewLeg(
            to_address=form.get("To"),
            from_address=form.get("From"),
            twiml=_entering(form, room_name),
            status_callback=form.url("StatusCallback", 21609),
            status_callback_method=form.method("StatusCallbackMethod"),
            status_callback_events=events(self._ledger, form),
            timeout_s=form.number("Timeout", (5, 600), 60, 21208),
            time_limit_s=form.number("TimeLimit", (1, 14_400), 14_400, 20422),
        )

    def updated(self, asked: Asked) -> RestAnswer:
        """POST to one: mute, hold, whom they coach, whether all fall out with them."""
        room, one = self._find(asked)
        form = asked.form
        form.refuse(UNSIMULATED_CHANGES)
        coached = form.get("CallSidToCoach") if form.is_true("Coaching", default=True) else ""
        if coached and room.participant(coached) is None:
            raise Refusal(16028, coached)
        room.mute(one, is_muted=form.is_true("Muted", default=one.is_muted))
        room.hold(one, is_on_hold=form.is_true("Hold", default=one.is_on_hold))
        if {"EndConferenceOnExit", "Coaching", "CallSidToCoach"} & {name for name, _ in form.pairs}:
            ends = form.is_true("EndConferenceOnExit", default=one.ends)
            is_named = "Coaching" in form or "CallSidToCoach" in form
            room.modify(one, coaches=(coached or None) if is_named else one.coaches, ends=ends)
        return RestAnswer(200, self._resource(room, one))

    def removed(self, asked: Asked) -> RestAnswer:
        """DELETE of one: its call goes on with what its document says next."""
        room, one = self._find(asked)
        room.kick(one)
        return RestAnswer(204)

    # --- As the API has it ----------------------------------------------------------------

    def _resource(self, room: Conference, one: Participant) -> dict[str, object]:
        account = self._ledger.settings.account_sid
        uri = f"/{API}/Accounts/{account}/Conferences/{room.sid}/Participants/{one.leg.sid}"
        return {
            "account_sid": account,
            "call_sid": one.leg.sid,
            "label": one.label,
            "call_sid_to_coach": one.coaches,
            "coaching": one.coaches is not None,
            "conference_sid": room.sid,
            "date_created": rfc2822(one.leg.created_at.timestamp()),
            "date_updated": rfc2822(room.updated_at.timestamp()),
            "end_conference_on_exit": one.ends,
            "muted": one.is_muted,
            "hold": one.is_on_hold,
            "start_conference_on_enter": one.room.starts,
            "status": "connected",
            "queue_time": None,
            "uri": f"{uri}.json",
        }

    def _rung(self, leg: Leg, form: Form, room: Conference) -> dict[str, object]:
        """One who is not there yet."""
        account = self._ledger.settings.account_sid
        at = rfc2822(leg.created_at.timestamp())
        return {
            "account_sid": account,
            "call_sid": leg.sid,
            "label": form.get("Label") or None,
            "call_sid_to_coach": form.get("CallSidToCoach") or None,
            "coaching": form.is_true("Coaching"),
            "conference_sid": room.sid,
            "date_created": at,
            "date_updated": at,
            "end_conference_on_exit": form.is_true("EndConferenceOnExit"),
            "muted": form.is_true("Muted"),
            "hold": False,
            "start_conference_on_enter": form.is_true("StartConferenceOnEnter", default=True),
            "status": "queued",
            "queue_time": None,
            "uri": f"/{API}/Accounts/{account}/Conferences/{room.sid}/Participants/{leg.sid}.json",
        }


def _told_of_room(form: Form) -> Callback | None:
    """Who is told of a room that a participant opens; events stand in one value here."""
    url = form.url("ConferenceStatusCallback", 21609)
    told = " ".join(form.all("ConferenceStatusCallbackEvent")).split()
    method = form.method("ConferenceStatusCallbackMethod")
    return Callback(url, method, frozenset(told)) if url else None


def _entering(form: Form, room_name: str) -> str:
    """The document of a leg that goes into a room, and is over when it has left it."""
    response = ET.Element("Response")
    conference = ET.SubElement(ET.SubElement(response, "Dial"), "Conference")
    for name, attribute in _AS_ATTRIBUTES.items():
        if name in form:
            conference.set(attribute, " ".join(form.all(name)))
    conference.text = room_name
    return ET.tostring(response, encoding="unicode")


def _word(flag: bool) -> str:
    return "true" if flag else "false"

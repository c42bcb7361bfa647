"""What one event leads to: actions for the shell, and consequences that the machine takes up itself.

Every part of a call writes here and none calls back into another. Commands and items of ours get their ids
here, facts their place and time.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal

import msgspec

from callbridge.call.actions import Action, Note, SendToModel, SendToPhone
from callbridge.call.events import Consequence, Leg
from callbridge.wire.realtime_commands import (
    ASK_ID,
    CreateItem,
    CreateResponse,
    InputText,
    Message,
    ResponseOptions,
)

if TYPE_CHECKING:
    from callbridge.call.facts import Fact
    from callbridge.wire import media_streams
    from callbridge.wire.realtime_commands import AnyCommand


class Outbox:
    """The outbox of one stream.

    Args:
        call_sid: Twilio's name for the call.
        stream_sid: Twilio's name for its stream.
        now: monotonic seconds.
    """

    def __init__(self, call_sid: str, stream_sid: str, now: float) -> None:
        self.call_sid, self.stream_sid = call_sid, stream_sid
        self.now = now
        """When the event that is being handled happened. Time does not run backwards."""
        self.actions: list[Action] = []
        self.consequences: deque[Consequence] = deque()
        self.call_began_at = now
        """On the clock of the events."""
        self.told_model = 0
        """Commands to the present session, each of which it has to answer."""
        self.facts_noted = 0
        self._commands = self._items = 0
        self._item_prefix = "cb_item"

    def belongs_to(self, call_sid: str, stream_sid: str) -> None:
        """The stream has a name now: its facts are counted from here."""
        self.call_sid, self.stream_sid, self.facts_noted = call_sid, stream_sid, 0

    def goes_on(self, age_s: float) -> None:
        """The call had lasted so long before this stream."""
        self.call_began_at -= age_s

    def do(self, action: Action) -> None:
        """Asks the shell for something."""
        self.actions.append(action)

    def then(self, consequence: Consequence) -> None:
        """Something is to be taken up when this event is done."""
        self.consequences.append(consequence)

    def note(self, fact: Fact) -> None:
        """A fact, with its place and time."""
        self.facts_noted += 1
        at_ms = round((self.now - self.call_began_at) * 1000)
        number = self.facts_noted
        place = {"call_sid": self.call_sid, "source": self.stream_sid, "number": number, "at_ms": at_ms}
        self.actions.append(Note(msgspec.structs.replace(fact, **place)))

    def ms(self, at: float) -> int:
        """A moment as facts have it: milliseconds since the call began."""
        return round((at - self.call_began_at) * 1000)

    def tell_phone(self, message: media_streams.SendMark | media_streams.Clear) -> None:
        """A mark, or a clear."""
        self.actions.append(SendToPhone(message))

    def tell_model(self, command: AnyCommand, leg: Leg = Leg.MODEL) -> str:
        """A command. Answers its `event_id`: it comes back in the error that answers the command."""
        self._commands += 1
        self.told_model += leg is Leg.MODEL
        command_id = f"cb_{self._commands}"
        self.actions.append(SendToModel(msgspec.structs.replace(command, event_id=command_id), leg))
        return command_id

    def ask_model(self, options: ResponseOptions | None) -> str:
        """A response.create, whose id the response is to echo in its metadata. Answers the id."""
        ask_id = f"cb_{self._commands + 1}"
        options = msgspec.structs.replace(options or ResponseOptions(), metadata={ASK_ID: ask_id})
        return self.tell_model(CreateResponse(response=options))

    def add_message(self, role: Literal["user", "system"], text: str) -> str:
        """Adds words to the present conversation that nobody has spoken. Answers the item's id."""
        item_id = self.next_item_id()
        self.tell_model(CreateItem(item=Message(item_id, role, (InputText(text),))))
        return item_id

    def next_item_id(self) -> str:
        """A new id for an item of ours. A counter, so that the same call has the same ids."""
        self._items += 1
        return f"{self._item_prefix}_{self._items}"

    def keep_items_apart(self) -> None:
        """The session has items of an earlier stream of this call, and would refuse the same ids again.

        The end of the StreamSid is enough: an id may have 32 characters, and a sid has 34.
        """
        self._item_prefix = f"cb_{self.stream_sid[-12:]}"

    def drop(self) -> None:
        """The event broke off: nothing that it led to has happened, and its facts leave no gap."""
        self.facts_noted -= sum(isinstance(action, Note) for action in self.actions)
        self.actions.clear()
        self.consequences.clear()

    def taken(self) -> tuple[Action, ...]:
        """Hands over the actions of an event that is done."""
        actions = tuple(self.actions)
        self.actions.clear()
        return actions

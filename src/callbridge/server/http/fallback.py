"""The webhooks of the fallback: a key of its menu was pressed, a human was rung, a message was left.

What a caller gets whom the agent cannot serve is a ladder of documents (`telephony/ladder.py`); each step
asks here what follows it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from callbridge.call.facts import FallbackDialed, MenuAnswered, VoicemailLeft
from callbridge.server.config import say
from callbridge.server.config.addresses import (
    FALLBACK_DIALED_PATH,
    FALLBACK_MENU_PATH,
    VOICEMAIL_LEFT_PATH,
    VOICEMAIL_STATUS_PATH,
)
from callbridge.server.http.forms import Forms, TwilioForm, twilio_routes, twiml_response
from callbridge.switchboard.callers import ANONYMOUS
from callbridge.switchboard.fallback_menu import MenuQuestion, Otherwise, Round, offered
from callbridge.switchboard.office import Office
from callbridge.switchboard.putting_through import Ends, NotPutThrough, PutThrough, put_through
from callbridge.telephony import ladder, menu, twiml
from callbridge.telephony.menu import MenuPlan

if TYPE_CHECKING:
    from fastapi import APIRouter, Request
    from fastapi.responses import Response

    from callbridge.server.config.settings import Settings
    from callbridge.server.process.desk import Desk
    from callbridge.switchboard.fallback_menu import MenuEntry

_RECORDING_SID: Final = re.compile(r"RE[0-9a-f]{32}", re.IGNORECASE)

_log = structlog.get_logger()


def fallback_router(desk: Desk) -> APIRouter:
    """The routes of the fallback."""
    steps = _Steps(desk)
    return twilio_routes(
        {
            FALLBACK_MENU_PATH: steps.fallback_menu,
            FALLBACK_DIALED_PATH: steps.fallback_dialed,
            VOICEMAIL_LEFT_PATH: steps.voicemail_left,
            VOICEMAIL_STATUS_PATH: steps.voicemail_status,
        }
    )


def fall_back(
    desk: Desk,
    form: TwilioForm,
    agent: str,
    *,
    leads_back: bool = False,
    is_repeated: bool = False,
    at: float | None = None,
) -> str:
    """The first document of the fallback of this call; that the human is rung now is noted.

    Args:
        desk: of this process.
        form: what Twilio asks with.
        agent: the name of who was to have the call.
        leads_back: the call was known when it came to be one that the human's telephone forwards.
        is_repeated: Twilio was told the same before, or somebody asks who has captured its question.
        at: when it was told so first, in seconds of wall time: then hours are looked at. Nothing is now.
    """
    at = desk.wall_now() if at is None else at
    humans = Humans(desk, form, leads_back=leads_back)
    found = humans.of_the_fallback(at)
    plan = _plan(desk, agent, humans, found, at)
    if plan.menu is None and not is_repeated:
        humans.note(found)
    return ladder.first_step(plan)


def last_resort(desk: Desk, form: TwilioForm, agent: str, at: float) -> ladder.FallbackPlan:
    """The fallback of a call that is to get a stream, should Twilio run on behind it without asking.

    `at`: when the stream was promised, in seconds of wall time.
    """
    humans = Humans(desk, form, looks_for_circles=False)
    return _plan(desk, agent, humans, humans.of_the_fallback(at), at)


def _plan(
    desk: Desk, agent: str, humans: Humans, found: PutThrough | NotPutThrough, at: float
) -> ladder.FallbackPlan:
    """The whole ladder, as it is for this call at this time."""
    settings = desk.settings
    office = Office(settings.office_hours, settings.time_zone)
    plan = ringing(desk.fallback_of(agent), found)
    if not office.is_open(at):
        plan = replace(plan, closed=desk.words("closed_message", agent))
    keys = offered(settings.fallback_menu or (), office, at, humans.may_ring)
    if not keys:
        return plan
    asked = MenuQuestion(Round.FIRST, keys, isinstance(found, PutThrough))
    return replace(plan, menu=menu_of(settings, asked))


def ringing(plan: ladder.FallbackPlan, found: PutThrough | NotPutThrough) -> ladder.FallbackPlan:
    """The plan with its human, or without anybody who is rung."""
    if isinstance(found, PutThrough):
        return replace(plan, caller_id=found.caller_id)
    return replace(plan, dial="")


def menu_of(settings: Settings, asked: MenuQuestion) -> MenuPlan:
    """The menu of the keys that are offered, and the question about them."""
    entries = [entry for entry in settings.fallback_menu or () if entry.key in asked.keys]
    return MenuPlan(say.menu(settings, entries), f"{settings.fallback_menu_url}?{asked.query}")


def comes_from_human(desk: Desk, form: TwilioForm) -> bool:
    """Whether a human's telephone has forwarded this call here. Only its first request is sure to tell."""
    humans = Humans(desk, form, looks_for_circles=False)
    numbers = [desk.fallback.dial, *(entry.dial for entry in desk.settings.fallback_menu or ())]
    return any(humans.find(number) is NotPutThrough.LEADS_BACK for number in numbers)


def ends_of(desk: Desk, form: TwilioForm) -> Ends:
    """The numbers of the call that a request is about."""
    caller = form.get("From")
    return Ends(
        caller,
        form.get("To"),
        forwarded_from=(form.get("ForwardedFrom"), form.get("CalledVia")),
        is_anonymous=desk.caller_key(caller) == ANONYMOUS,
    )


class Humans:
    """Whom a call may be put through to.

    Args:
        desk: of this process.
        form: what Twilio asks with.
        leads_back: it was known when it came that a human's telephone has forwarded it: it rings nobody.
        looks_for_circles: whether calls of the same caller that ring at this moment count, too.
    """

    def __init__(
        self, desk: Desk, form: TwilioForm, *, leads_back: bool = False, looks_for_circles: bool = True
    ) -> None:
        self._desk, self._form, self._leads_back = desk, form, leads_back
        self._looks_for_circles = looks_for_circles
        self._ends = ends_of(desk, form)

    def of_the_fallback(self, at: float) -> PutThrough | NotPutThrough:
        """Whether the human of the fallback may be rung at this time."""
        settings = self._desk.settings
        is_open = Office(settings.office_hours, settings.time_zone).is_open(at)
        return self.find(self._desk.fallback.dial, is_open=is_open)

    def may_ring(self, number: str) -> bool:
        """Whether the human of this number may be rung, as far as it is not a question of the hour."""
        return isinstance(self.find(number), PutThrough)

    def find(self, number: str, *, is_open: bool = True) -> PutThrough | NotPutThrough:
        """What the human of this number is shown, or why they are not rung."""
        own = self._desk.settings.fallback_caller_id or ""
        found = put_through(self._ends, number, own, is_open=is_open)
        if isinstance(found, PutThrough) and (self._leads_back or self._rings_in_a_circle):
            return NotPutThrough.LEADS_BACK
        return found

    def note(self, found: PutThrough | NotPutThrough) -> None:
        """That somebody is rung now, or why nobody is."""
        if isinstance(found, PutThrough):
            key = self._desk.caller_key(self._ends.caller)
            self._desk.rings.began(self._form.call_sid, key, self._desk.now())
        elif found is NotPutThrough.CLOSED:
            _log.info("human_not_rung", call_sid=self._form.call_sid, reason=found.value)
        elif found is not NotPutThrough.NOBODY:
            _log.warning("human_not_rung", call_sid=self._form.call_sid, reason=found.value)

    @property
    def _rings_in_a_circle(self) -> bool:
        return self._looks_for_circles and self._desk.rings_in_a_circle(
            self._form.call_sid, self._ends.caller
        )


class _Steps:
    """The endpoints."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._forms = Forms(desk)

    async def fallback_menu(self, request: Request) -> Response:
        """The caller has heard the menu: what their key leads to, else the menu again, else the ladder."""
        form = await self._forms.read(request)
        desk, digits = self._desk, form.get("Digits")
        asked = MenuQuestion.read(request.query_params)
        is_news = await desk.note_once(form.call_sid, MenuAnswered(asked.round.value, digits[:1]))
        if is_news:
            _log.info("menu_answered", call_sid=form.call_sid, round=asked.round.value, keys=digits[:1])
        entry = asked.chosen(digits, desk.settings.fallback_menu or ())
        if entry is not None and entry.say:
            return twiml_response(self._said(entry.say, asked))
        if entry is None and asked.otherwise is Otherwise.MENU:
            return twiml_response(menu.said([], menu_of(desk.settings, asked.at(Round.AGAIN))))
        if entry is None and asked.otherwise is Otherwise.GOODBYE:
            return twiml_response(menu.said([say.menu_goodbye(desk.settings)]))
        return twiml_response(await self._goes_on(form, asked, entry, is_news=is_news))

    def _said(self, text: str, asked: MenuQuestion) -> str:
        """The text of a key, and the menu a last time; after the last time goodbye."""
        settings = self._desk.settings
        words = say.own(settings, text)
        if asked.round is Round.LAST:
            return menu.said([words, say.menu_goodbye(settings)])
        return menu.said([words], menu_of(settings, asked.at(Round.LAST)))

    async def _goes_on(
        self, form: TwilioForm, asked: MenuQuestion, entry: MenuEntry | None, *, is_news: bool
    ) -> str:
        """The human or the voicemail of a key; without one the ladder as it is without a menu."""
        desk = self._desk
        plan = desk.fallback_of(await desk.agent_of(form.call_sid))
        number = desk.fallback.dial if entry is None and asked.rings_human else ""
        if entry is not None:
            number = entry.dial
            plan = replace(plan, dial=number, has_voicemail=plan.has_voicemail or entry.voicemail)
        humans = Humans(desk, form)
        found = humans.find(number)
        if is_news:
            humans.note(found)
        return ladder.first_step(ringing(plan, found))

    async def fallback_dialed(self, request: Request) -> Response:
        """A human was rung: who was not connected to them is followed by voicemail."""
        form = await self._forms.read(request)
        status, bridged = form.get("DialCallStatus"), form.get("DialBridged")
        self._desk.rings.ended(form.call_sid)
        plan = self._desk.fallback_of(await self._desk.agent_of(form.call_sid))
        priced_as = self._desk.prices.outbound(plan.dial or "")
        dialed = FallbackDialed(status, bridged, form.get("DialCallDuration")[:8], priced_as)
        if await self._desk.note_once(form.call_sid, dialed):
            _log.info("fallback_dialed", call_sid=form.call_sid, status=status, bridged=bridged)
        return twiml_response(ladder.after_dial(plan, status, bridged))

    async def voicemail_left(self, request: Request) -> Response:
        """The recording is over. A message goes into the record of the call; who said nothing gets a word."""
        form = await self._forms.read(request)
        duration = form.get("RecordingDuration")
        await self._note_voicemail(form, "silent" if ladder.is_silence(duration) else "left")
        plan = self._desk.fallback_of(await self._desk.agent_of(form.call_sid))
        return twiml_response(ladder.after_voicemail(plan, duration))

    async def voicemail_status(self, request: Request) -> Response:
        """The recording of a message can be fetched. The same recording again, or the first news of it."""
        form = await self._forms.read(request)
        await self._note_voicemail(form, form.get("RecordingStatus"))
        return twiml_response(twiml.empty())

    async def _note_voicemail(self, form: TwilioForm, status: str) -> None:
        left = VoicemailLeft(recording_sid(form), form.get("RecordingDuration"), status)
        if not await self._desk.note_once(form.call_sid, left):
            return
        _log.info(
            "voicemail",
            call_sid=form.call_sid,
            recording_sid=left.recording_sid,
            duration_s=left.duration_s,
            status=status,
        )


def recording_sid(form: TwilioForm) -> str:
    """The name of a recording, which tells nobody anything who has no key to the account; its address does.

    The action of `<Record>` is promised the address alone, whose last part is the name.
    """
    named = form.get("RecordingSid") or form.get("RecordingUrl").rpartition("/")[2]
    found = _RECORDING_SID.match(named)
    return found[0] if found else ""

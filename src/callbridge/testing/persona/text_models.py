"""Asks a text model on behalf of a test: counted, capped, tried again where that helps, and written down.

It blocks: in virtual time the clock of the call stands still meanwhile, so that a slow model makes no caller
who is slow to answer.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from callbridge.call.price import microdollars, rounded_up
from callbridge.records.analysis.completion import (
    ANSWER_TOKENS_MAX,
    AnalysisFault,
    faults_in_words,
    open_blocking_client,
)
from callbridge.records.analysis.findings import UnfitAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openai import OpenAI
    from openai.types.chat import ChatCompletion

    from callbridge.server.config.text_endpoint import TextEndpoint

T = TypeVar("T")

TIMEOUT_S: Final = 60.0
"""Of each try: a reasoning model thinks for a while."""

TRIES: Final = 3
"""Of a request that fails in a way that may pass. An answer that is not as asked is asked for once more."""

WAITS_S: Final = (1.0, 4.0)
"""Before the second try and the third, where the endpoint does not say how long."""

WAIT_S_MAX: Final = 30.0
"""An endpoint that wants to be left alone for longer fails the test."""

BYTES_PER_TOKEN_MIN: Final = 2
"""Of what is asked, for the cap. English has about four."""


class TextModelFault(Exception):  # noqa: N818  # Most of them are of a model or of a network.
    """A text model gave no answer that can be used. The text says why, and what to do."""


class Exchange(msgspec.Struct, frozen=True):
    """One question, as it was asked and answered."""

    purpose: str
    """`caller`, `voice model` or `judge`."""
    model: str
    messages: list[dict[str, Any]]
    answer: str
    """Its text; of one that calls tools, the calls as JSON."""
    tokens_in: int
    tokens_out: int
    took_ms: int


@dataclass(slots=True)
class Purse:
    """What may be spent, and what was. Threads share it."""

    dollars: float
    what_for: str
    """In words, for whoever has to raise it: `Limits(dollars=…)`."""
    spent: int = 0
    """In microdollars."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, most: int) -> None:
        """So much may be needed now.

        Raises:
            TextModelFault: it would be more than there is.
        """
        with self._lock:
            if self.spent + most > microdollars(self.dollars):
                raise TextModelFault(
                    f"${self.spent / 1e6:.4f} are spent or set aside, and what is to be asked may cost "
                    f"${most / 1e6:.4f}: more than the ${self.dollars:g} of {self.what_for}"
                )
            self.spent += most

    def give_back(self, rest: int) -> None:
        """So much of it was not needed."""
        with self._lock:
            self.spent -= rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[T]):
    """What is asked.

    Args:
        purpose: for the record: `caller`, `voice model` or `judge`.
        messages: as Chat Completions takes them.
        read: makes what is wanted of an answer. Raises UnfitAnswer, whose words the model is told.
        model: the text model; that of the settings when empty.
        more: further parameters: a schema, tools.
    """

    purpose: str
    messages: Sequence[dict[str, Any]]
    read: Callable[[ChatCompletion], T]
    model: str = ""
    more: dict[str, Any] = field(default_factory=dict)


class TextModels:
    """The text models of one call, or of one judgement.

    Args:
        endpoint: where they are.
        purses: what may be spent: of the call, of the run. The first that is empty refuses.
        wait: for so many seconds.
    """

    def __init__(
        self, endpoint: TextEndpoint, purses: Sequence[Purse], wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._endpoint, self._purses, self._wait = endpoint, tuple(purses), wait
        self._client: OpenAI | None = None
        self.exchanges: list[Exchange] = []
        """All that was asked and answered, in its order."""

    @property
    def microdollars(self) -> int:
        """What they have cost."""
        return self._purses[0].spent

    def close(self) -> None:
        """Nothing more is asked."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def ask(self, question: Question[T]) -> T:
        """The answer. It blocks.

        Raises:
            TextModelFault: there is none that can be used, or it would cost too much.
        """
        wrong, messages = "", list(question.messages)
        for _ in range(2):
            said = self._complete(question, messages)
            try:
                return question.read(said)
            except UnfitAnswer as error:
                wrong = str(error)
                told = f"Your last answer could not be used. {wrong} Answer again."
                messages = [*question.messages, {"role": "user", "content": told}]
            except AnalysisFault as fault:
                raise _fault(question, fault.why) from fault
        raise _fault(question, f"its answer is not as asked: {wrong}")

    def _complete(self, question: Question[T], messages: list[dict[str, Any]]) -> ChatCompletion:
        for number in range(TRIES):
            try:
                return self._once(question, messages)
            except AnalysisFault as fault:
                wait_s = WAITS_S[min(number, 1)] if fault.after_s is None else fault.after_s
                if fault.is_lasting or number == TRIES - 1:
                    raise _fault(question, fault.why) from fault
                if wait_s > WAIT_S_MAX:
                    why = f"{fault.why}, and wants to be left alone for {wait_s:g} s"
                    raise _fault(question, why) from fault
                self._wait(wait_s)
        raise AssertionError("the last try answers or raises")

    def _once(self, question: Question[T], messages: list[dict[str, Any]]) -> ChatCompletion:
        model = question.model or self._endpoint.model
        asked = len(msgspec.json.encode([messages, question.more])) // BYTES_PER_TOKEN_MIN
        most = self._cost(model, asked, ANSWER_TOKENS_MAX)
        for number, purse in enumerate(self._purses):
            try:
                purse.take(most)
            except TextModelFault:
                self._give_back(most, self._purses[:number])
                raise
        cost, began_at = 0, time.monotonic()
        try:
            given: Any = messages  # The client has a type for each role.
            client = self._opened()
            with faults_in_words(TIMEOUT_S):
                said: ChatCompletion = client.chat.completions.create(
                    model=model, messages=given, max_completion_tokens=ANSWER_TOKENS_MAX, **question.more
                )
            used = _used(said)
            tokens_in, tokens_out = used or (0, 0)
            cost = self._cost(model, tokens_in, tokens_out) if used else most  # Not told: all of it.
        except AnalysisFault as fault:
            cost = most if fault.may_have_cost else 0
            raise
        finally:
            self._give_back(most - cost, self._purses)
        took_ms = round((time.monotonic() - began_at) * 1000)
        self.exchanges.append(
            Exchange(question.purpose, model, messages, _written(said), tokens_in, tokens_out, took_ms)
        )
        return said

    def _opened(self) -> OpenAI:
        if self._client is None:
            key = self._endpoint.key.get_secret_value()
            self._client = open_blocking_client(self._endpoint.url, key, TIMEOUT_S)
        return self._client

    def _give_back(self, rest: int, purses: Sequence[Purse]) -> None:
        for purse in purses:
            purse.give_back(rest)

    def _cost(self, model: str, tokens_in: int, tokens_out: int) -> int:
        """In microdollars. What cannot be counted cannot be capped: then it raises."""
        price = self._endpoint.prices.text_model(model)
        if price is not None:
            return rounded_up(price.cost_picodollars(tokens_in, tokens_out))
        if self._endpoint.is_local:
            return 0
        raise TextModelFault(
            f"{model} has no price, so that nobody could say when it has cost enough: put one under "
            '[analysis] in the file of CALLBRIDGE_PRICES, as "name" = { input = 0.25, output = 2.00 }'
        )


def _fault(question: Question[Any], why: str) -> TextModelFault:
    return TextModelFault(f"the text model that is the {question.purpose}: {why}")


def _used(said: ChatCompletion) -> tuple[int, int] | None:
    """Tokens in and out; None where the endpoint does not tell them."""
    usage = getattr(said, "usage", None)
    tokens_in, tokens_out = (getattr(usage, f"{kind}_tokens", None) for kind in ("prompt", "completion"))
    return (tokens_in, tokens_out) if isinstance(tokens_in, int) and isinstance(tokens_out, int) else None


def _written(said: ChatCompletion) -> str:
    """The answer as it is kept."""
    if not getattr(said, "choices", None):
        return ""
    message = said.choices[0].message
    calls = [call.to_dict() for call in message.tool_calls or ()]
    return msgspec.json.encode(calls).decode() if calls else message.content or message.refusal or ""

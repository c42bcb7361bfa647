"""Every example of docs/agents.md, and the agent of the README: called by the simulated phone, and heard.

An ability that does not work fails its example.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from callbridge.agents.written.reading import read_agent
from callbridge.bridge.own_sounds import audio_of
from callbridge.call.actions import OwnSound
from callbridge.call.agent_facts import Captured, StepEntered, ValuesSet
from callbridge.call.facts import CallClosed, EndReason, GuardrailTripped
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.recording_facts import OF_RECORDINGS
from callbridge.simulators import phone
from callbridge.simulators.account import AccountSettings, SimulatedAccount, serve_account
from callbridge.simulators.phone import CallerScript, Press, WaitForAgent, WaitForEnd
from callbridge.simulators.phone.call import TO_NUMBER
from callbridge.simulators.voice_model import Call, Script
from callbridge.state.memory_state import MemoryState
from documented import ROOT, blocks, module_of, name_of, sources, written
from e2e.played import HEARD, Voices, play
from e2e.stack import ACCOUNT_SID, AUTH_TOKEN, hello_and_goodbye, stack
from leftovers import until
from small_server import answered, small_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from callbridge.agents.choosing.gathering import Answering
    from callbridge.simulators.phone import Step
    from callbridge.state.state import State

pytestmark = pytest.mark.usefixtures("nothing_left")

README, AGENTS, GUIDE = "README.md", "docs/agents.md", "src/callbridge/guide.md"

Test = TypeVar("Test", bound="Callable[..., object]")

PLAYED: dict[str, set[str]] = {README: set(), AGENTS: set()}


def of(document: str, heading: str) -> Callable[[Test], Test]:
    """The test has for its `example` what stands under this heading. The guide's are played in heavy runs."""

    def parametrised(test: Test) -> Test:
        PLAYED[document].add(heading)
        case = pytest.param((document, heading), id=name_of(heading))
        marked: Test = pytest.mark.parametrize("example", [case], indirect=True)(test)
        return pytest.mark.heavy(marked) if document == AGENTS else marked

    return parametrised


@pytest.fixture
def example(request: pytest.FixtureRequest) -> ModuleType:
    """One example, executed as a module of its own."""
    return module_of(*request.param)


BYE = Call(name="end_call")


# --- What stands there ----------------------------------------------------------------------------------


def test_every_example_is_played() -> None:
    """An example that nobody calls proves nothing."""
    assert set(sources(AGENTS)) == PLAYED[AGENTS]
    assert "Write an agent" in PLAYED[README]


@pytest.mark.heavy
def test_the_examples_are_typed(tmp_path: Path) -> None:
    """As strictly as a user may want to have it."""
    files = written([README, AGENTS, GUIDE, "docs/mcp.md", "docs/reference/fields.md"], tmp_path)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", *map(str, files)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert (checked.stdout, checked.returncode) == ("", 0)


# --- The examples, in their order -----------------------------------------------------------------------


@of(README, "The simulators")
async def test_people_and_an_account(example: ModuleType) -> None:
    """They are there; what they do is tested with the simulators."""
    simulated = {"TWILIO_ACCOUNT_SID": phone.ACCOUNT_SID, "TWILIO_AUTH_TOKEN": phone.AUTH_TOKEN}
    async with stack(hello_and_goodbye(200), environment=simulated) as running:
        report = await example.call_with_people(running.settings.voice_url, CallerScript([WaitForEnd()]))
    assert report.is_clean, report
    await example.with_an_account_whose_answers_are_lost()


@of(README, "Write an agent")
async def test_an_agent_is_written(example: ModuleType) -> None:
    """The greeting is the agent's own words, and its tool answers."""
    voices = Voices()
    answers = [
        voices.agent("Harbour Bakery, hello!"),
        voices.agent(caller="On Sunday?", calls=[Call(name="opening_hours", arguments={"day": "Sunday"})]),
        voices.agent("From eight to two.", after_call=True),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), HEARD])
    assert "Harbour Bakery, hello! How can I help you?" in played.to_say
    assert played.outputs == [("opening_hours", "8:00 to 14:00")]
    assert played.heard == ["Harbour Bakery, hello!", "From eight to two."]


@of(AGENTS, "An agent")
async def test_an_agent(example: ModuleType) -> None:
    voices = Voices()
    answers = [
        voices.agent("Hello!"),
        voices.agent("Goodbye.", caller="Bye.", calls=[BYE]),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), WaitForEnd()])
    assert example.agent.greeting in played.to_say
    assert played.call.journal.session["instructions"] == example.agent.instructions
    assert (played.heard, played.call.ended.reason) == (["Hello!", "Goodbye."], EndReason.AGENT_HANGUP)


@of(AGENTS, "Tools")
async def test_tools(example: ModuleType) -> None:
    """What the model gets wrong does not reach the function, and what that refuses is told in its words."""
    voices = Voices()
    orders = [{"bread": "cake", "loaves": 1}, {"bread": "rye", "loaves": 30}, {"bread": "rye", "loaves": 3}]
    calls = [Call(name="order", arguments=order) for order in orders]
    answers = [
        voices.agent("Hello!"),
        voices.agent(caller="Bread, please.", calls=calls),
        voices.agent("Three loaves of rye.", after_call=True),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), HEARD])
    (_, wrong), (_, refused), (_, done) = played.outputs
    assert "'rye' or 'wheat'" in str(wrong)
    assert "offer the day after tomorrow" in str(refused)
    assert done == "3 loaves of rye for 12 euros"
    assert played.heard == ["Hello!", "Three loaves of rye."]


@of(AGENTS, "The call")
async def test_the_call(example: ModuleType) -> None:
    known, withheld = await asyncio.gather(
        *(_who_is_calling(example, number) for number in ("+14155550100", "Anonymous"))
    )
    assert (known, withheld) == ("This is Anna Berg.", "The number is withheld: ask for the name.")


async def _who_is_calling(example: ModuleType, number: str) -> str | None:
    voices = Voices()
    answers = [
        voices.agent("Hello!", calls=[Call(name="who_is_calling")]),
        voices.agent("I see.", after_call=True, calls=[BYE]),
    ]
    played = await play(example.agent, answers, [WaitForEnd()], from_number=number)
    assert played.heard == ["Hello!", "I see."]
    return played.outputs[0][1]


@pytest.mark.heavy
@of(AGENTS, "Your own state")
async def test_your_own_state(example: ModuleType) -> None:
    """The second tool sees what the first has kept, and all of it is a fact, from which others go on."""
    voices = Voices()
    answers = [
        voices.agent("Hello!"),
        voices.agent(caller="Rye.", calls=[Call(name="add", arguments={"bread": "rye"})]),
        voices.agent("What else?", after_call=True),
        voices.agent(caller="Wheat.", calls=[Call(name="add", arguments={"bread": "wheat"})]),
        voices.agent("Two breads.", after_call=True),
    ]
    steps: list[Step] = [HEARD, voices.caller(), HEARD, voices.caller(), HEARD]
    played = await play(example.agent, answers, steps)
    assert played.outputs == [("add", "in the basket: rye"), ("add", "in the basket: rye, wheat")]
    kept = [example.Basket.model_validate_json(fact.values) for fact in played.call.of(ValuesSet)]
    assert [basket.breads for basket in kept] == [["rye"], ["rye", "wheat"]]


@of(AGENTS, "Words and the end")
async def test_words_and_the_end(example: ModuleType) -> None:
    """The tool waits for its words to be heard; the end waits for the last ones."""
    voices = Voices()
    ask = Call(name="ask_the_baker", arguments={"question": "Is it vegan?"})
    answers = [
        voices.agent("Hello!"),
        voices.agent(caller="Is it vegan?", calls=[ask]),
        voices.agent("One moment, I ask the baker."),
        voices.agent("Yes, it is.", calls=[Call(name="close_the_shop")]),
        voices.agent("We are closing now. Goodbye!"),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), WaitForEnd()])
    assert played.outputs[0] == ("ask_the_baker", "The baker says yes.")
    assert played.heard == [speech.text for answer in answers for speech in answer.speeches]
    assert "One moment, I ask the baker." in played.to_say
    assert "We are closing now. Goodbye!" in played.to_say
    assert played.call.ended.reason is EndReason.AGENT_HANGUP


@pytest.mark.heavy
@of(AGENTS, "Pressing keys")
async def test_keys_are_pressed(example: ModuleType) -> None:
    """Whoever is called hears the key."""
    voices = Voices()
    answers = [
        voices.agent("Hello!"),
        voices.agent(caller="A delivery.", calls=[Call(name="open_the_door")]),
        voices.agent("It is open.", after_call=True),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), WaitForAgent(400)])
    assert played.outputs == [("open_the_door", "The door is open.")]
    assert [stream.keys_heard for stream in played.call.report.streams] == ["9"]


@of(AGENTS, "Texts that know the call")
async def test_texts_that_know_the_call(example: ModuleType) -> None:
    voices = Voices()
    known, unknown = await asyncio.gather(
        *(
            play(example.agent, [voices.agent("Good day!")], [HEARD], from_number=number)
            for number in ("+14155550100", "+14155550199")
        )
    )
    assert ", Anna!" in known.to_say
    assert ", Harbour Bakery!" in unknown.to_say
    assert "It is " in known.call.journal.session["instructions"]
    assert known.heard == unknown.heard == ["Good day!"]


@pytest.mark.heavy
@of(AGENTS, "Guardrails")
async def test_guardrails(example: ModuleType) -> None:
    """One has a sentence of its own; of the other the function finds one."""
    voices = Voices()
    answers = [
        voices.agent("Hello!"),
        voices.agent("It is nine dollars.", caller="How much?"),
        voices.agent("I am not allowed to tell you prices."),
        voices.agent("Mill Lane has cakes.", caller="And cakes?"),
        voices.agent("Let us stay with our own bread."),
        voices.agent("Goodbye.", caller="Bye.", calls=[BYE]),
    ]
    steps: list[Step] = [HEARD, voices.caller(), HEARD, voices.caller(), HEARD]
    steps += [voices.caller(), WaitForEnd()]
    played = await play(example.agent, answers, steps)
    assert [trip.guardrail for trip in played.call.of(GuardrailTripped)] == ["no_prices", "no_rivals"]
    assert "exactly this to the caller and nothing else: I am not allowed" in played.to_say
    assert "exactly this to the caller and nothing else: Let us stay" in played.to_say
    assert "Prices are told by the shop alone." in "".join(played.told)


@of(AGENTS, "Guardrails of tools")
async def test_guardrails_of_tools(example: ModuleType) -> None:
    voices = Voices()
    calls = [Call(name="order", arguments={"loaves": loaves}) for loaves in (41, 40)]
    answers = [
        voices.agent("Hello!"),
        voices.agent(caller="Bread, please.", calls=calls),
        voices.agent("Forty are ordered.", after_call=True, calls=[BYE]),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), WaitForEnd()])
    assert played.outcomes[:2] == [ToolOutcome.REFUSED, ToolOutcome.ANSWERED]
    assert "Not more than 40." in str(played.outputs[0])


@of(AGENTS, "Ask before it is done")
async def test_ask_before_it_is_done(example: ModuleType) -> None:
    """The model calls at once, and again before the caller has answered: both times nothing is done."""
    voices = Voices()
    cancel = Call(name="cancel", arguments={"order": 7})
    answers = [
        voices.agent("Hello!"),
        voices.agent(caller="Cancel order seven.", calls=[cancel]),
        voices.agent("Shall I cancel order seven?", after_call=True, calls=[cancel]),
        voices.agent("The three rye breads?", after_call=True),
        voices.agent(caller="Yes.", calls=[cancel]),
        voices.agent("It is cancelled.", after_call=True),
    ]
    steps: list[Step] = [HEARD, voices.caller(), WaitForAgent(quiet_ms=500), voices.caller(), HEARD]
    played = await play(example.agent, answers, steps)
    assert played.outcomes == [ToolOutcome.UNCONFIRMED, ToolOutcome.UNCONFIRMED, ToolOutcome.ANSWERED]
    assert played.outputs[-1] == ("cancel", "cancelled: three rye breads")
    assert example.ORDERS == {}
    assert played.heard[-1] == "It is cancelled."


class FullDisk(MemoryState):
    """Nothing that it is told is on disk."""

    async def flush(self) -> bool:
        return False


@pytest.mark.heavy
@of(AGENTS, "Only once")
async def test_only_once(example: ModuleType) -> None:
    """The caller answers the question by key. Where its start cannot be written down it does not run."""
    doubtful = await _pays(example, FullDisk())
    assert "was not run" in doubtful
    assert example.CHARGED == []
    assert await _pays(example, None) == "paid"
    assert example.CHARGED == [1200]


async def _pays(example: ModuleType, state: State | None) -> str:
    voices = Voices()
    pay = Call(name="pay", arguments={"cents": 1200})
    answers = [
        voices.agent("Hello!"),
        voices.agent(caller="I pay.", calls=[pay]),
        voices.agent("Twelve euros. Press one.", after_call=True),
        voices.agent(calls=[pay]),
        voices.agent("I see.", after_call=True, calls=[BYE]),
    ]
    steps: list[Step] = [HEARD, voices.caller(), HEARD, Press("1#"), WaitForEnd()]
    played = await play(example.agent, answers, steps, state=state)
    assert played.heard == ["Hello!", "Twelve euros. Press one.", "I see."]
    return str(played.outputs[-2][1])


@pytest.mark.heavy
@of(AGENTS, "While it runs")
async def test_while_it_runs(example: ModuleType) -> None:
    """The words are heard before the answer is; who hangs up meanwhile stops it."""
    voices = Voices()
    ask = voices.agent(caller="Is there rye?", calls=[Call(name="in_stock", arguments={"bread": "rye"})])
    answers = [
        voices.agent("Hello!"),
        ask,
        voices.agent("I'm looking that up."),
        voices.agent("There are twelve.", calls=[BYE]),
    ]
    waits, leaves = await asyncio.gather(
        play(example.agent, answers, [HEARD, voices.caller(), WaitForEnd()]),
        play(example.agent, answers, [HEARD, voices.caller(), HEARD]),
    )
    assert "I'm looking that up." in waits.to_say
    assert waits.heard == ["Hello!", "I'm looking that up.", "There are twelve."]
    assert waits.outputs[0] == ("in_stock", "rye: 12")
    assert leaves.outcomes == [ToolOutcome.CANCELLED]


@pytest.mark.heavy
@of(AGENTS, "While it runs")
async def test_a_sound_while_it_runs(example: ModuleType) -> None:
    """In place of words there is a sound, and then the answer."""
    voices = Voices()
    answers = [
        voices.agent("Hello!"),
        voices.agent(caller="What is rye?", calls=[Call(name="price", arguments={"bread": "rye"})]),
        voices.agent("Four euros.", calls=[BYE]),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), WaitForEnd()])
    assert played.heard == ["Hello!", "Four euros."]
    assert played.outputs[0] == ("price", "rye: 4 euros")
    assert audio_of(OwnSound.AT_WORK) in b"".join(
        payload.audio for payload in played.call.stream.playback.payloads
    )


@of(AGENTS, "An answer that comes later")
async def test_an_answer_that_comes_later(example: ModuleType) -> None:
    """The agent talks on at once, and brings the answer up when it is there."""
    voices = Voices()
    find = Call(name="find_courier", arguments={"street": "Harbour Street"})
    answers = [
        voices.agent("Hello!"),
        voices.agent(caller="Can you send it?", calls=[find]),
        voices.agent("I ask for a courier.", after_call=True),
        voices.agent("He comes at three.", calls=[BYE]),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), WaitForEnd()])
    assert played.heard == ["Hello!", "I ask for a courier.", "He comes at three."]
    assert "begun" in str(played.outputs[0][1])
    (news,) = [told for told in played.told if "find_courier" in told]
    assert "a courier comes to Harbour Street at 15:00" in news


@of(AGENTS, "Keys")
async def test_keys(example: ModuleType) -> None:
    """One is answered without the model's own wits, the other leads to a person."""
    voices = Voices()
    answers = [voices.agent("Harbour Bakery!"), voices.agent("We are open from eight to six.")]
    desk = {"CALLBRIDGE_FALLBACK_DIAL": "+14155550199"}
    menu, person = await asyncio.gather(
        play(example.agent, answers, [HEARD, Press("1"), WaitForAgent(quiet_ms=1500)]),
        play(example.agent, answers[:1], [HEARD, Press("0"), WaitForEnd()], environment=desk),
    )
    assert menu.heard == ["Harbour Bakery!", "We are open from eight to six."]
    assert "We are open from eight to six." in menu.to_say
    assert "Dial" in person.call.verbs


@of(AGENTS, "Languages")
async def test_languages(example: ModuleType) -> None:
    played = await play(example.agent, [Voices().agent("Guten Tag!")], [HEARD])
    assert "Guten Tag, Sie sprechen mit einem KI-Assistenten." in played.to_say
    session = played.call.journal.session
    assert session["instructions"].startswith(example.agent.instructions)
    assert "Speak German" in session["instructions"]
    assert session["audio"]["input"]["transcription"]["language"] == "de"


@of(AGENTS, "Which agent answers")
async def test_which_agent_answers(example: ModuleType) -> None:
    """Two numbers, two agents, one process."""
    called = "+15550100002", "+15550100003", "+15550100009"
    bakery, clinic, other = await asyncio.gather(
        *(_greeting(example.numbers, to_number=number) for number in called)
    )
    assert "Harbour Bakery, hello!" in bakery
    assert "Harbour Clinic, good day." in clinic
    assert "Harbour Bakery, hello!" in other


@of(AGENTS, "Chosen for each call")
async def test_chosen_for_each_call(example: ModuleType) -> None:
    shop, other = await asyncio.gather(
        *(_greeting(example.choose, from_number=number) for number in ("+14155550100", "+14155550199"))
    )
    assert "Wholesale, hello!" in shop
    assert "Harbour Bakery, hello!" in other


async def _greeting(answering: Answering, **line: Any) -> str:
    """What the model is made to say to this call."""
    played = await play(answering, [Voices().agent("Hello!")], [HEARD], **line)
    assert played.heard == ["Hello!"]
    return played.to_say


async def test_agents_without_code(tmp_path: Path) -> None:
    """The tool asks the service that the file names, and tells the model what is picked out of the answer."""
    text, voices = blocks(AGENTS, "toml")["Agents without code"], Voices()
    answers = [
        voices.agent("Good day!", calls=[Call(name="find_medicine", arguments={"name": "ibu/profen"})]),
        voices.agent("Three packages.", calls=[Call(name="find_medicine", arguments={"name": "ibuprofen"})]),
        voices.agent("There are three.", after_call=True, calls=[BYE]),
    ]
    async with small_server(lambda _: answered('{"stock": {"packages": 3, "shelf": "B4"}}')) as service:
        file = tmp_path / "pharmacy.toml"
        file.write_text(text.replace("https://api.lindenpharmacy.example", service.origin))
        agent = read_agent(file, {"PHARMACY_KEY": "a-secret"}).agent
        played = await play(agent, answers, [WaitForEnd()])
    assert [asked.target for asked in service.asked] == ["/v1/medicines/ibuprofen/stock"]
    assert service.asked[0].headers["authorization"] == "Bearer a-secret"
    assert played.outputs[1] == ("find_medicine", '{"packages":3}')
    assert played.heard[-1] == "There are three."


@of(AGENTS, "What is remembered of a caller")
async def test_what_is_remembered_of_a_caller(example: ModuleType) -> None:
    """The second call of one caller is greeted with what came of the first; nobody else's is."""
    voices = Voices()
    order = Call(name="order", arguments={"bread": "rye"})
    answers = [
        voices.agent("Harbour Bakery, hello!"),
        voices.agent(caller="A rye bread.", calls=[order]),
        voices.agent("Goodbye.", after_call=True, calls=[BYE]),
    ]
    script = Script(answers=tuple(answers), after_ms=20)
    remembered = {"CALLBRIDGE_CALLER_MEMORY_DAYS": "30"}
    async with stack(script, agent=example.agent, environment=remembered) as running:
        first = await running.call([HEARD, voices.caller(), WaitForEnd()])
        assert await until(lambda: bool(first.of(CallClosed)))
        again = await running.call([HEARD])
        other = await running.call([HEARD], from_number="+14155550199")
    firsts = [journal.responses[0].instructions for journal in running.model.sessions]
    assert ["Welcome back! Ordered rye. The same again?" in told for told in firsts] == [False, True, False]
    assert [call.report.is_clean for call in (first, again, other)] == [True] * 3


@of(AGENTS, "Transfers")
async def test_transfers(example: ModuleType) -> None:
    """Nobody is rung before it is known who is; the model is told what to ask for."""
    voices = Voices()
    shop = Call(name="transfer", arguments={"to": "shop", "reason": "a lost umbrella"})
    answers = [
        voices.agent("Hello!"),
        voices.agent(caller="The shop, please.", calls=[shop]),
        voices.agent("In which town?", after_call=True),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), HEARD])
    ((_, told),) = played.outputs
    assert "ask the caller for town first" in str(told)
    assert played.heard == ["Hello!", "In which town?"]


@of(AGENTS, "Several agents in one call")
async def test_several_agents_in_one_call(example: ModuleType) -> None:
    """Billing has the bill that the desk was given, and its own tool."""
    voices = Voices()
    answers = [
        voices.agent("Harbour Bakery, hello!"),
        voices.agent(caller="My bill.", calls=[Call(name="transfer_to_billing", arguments={"bill": "7"})]),
        voices.agent(calls=[Call(name="transfer_to_billing", arguments={"bill": 7})], after_call=True),
        voices.agent(calls=[Call(name="bill")], after_call=True),
        voices.agent("Twelve euros.", after_call=True),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), HEARD])
    (_, refused), (_, told), (_, bill) = played.outputs
    assert "bill: Input should be a valid integer" in str(refused)
    assert json.loads(str(told))["told"] == "Bill 7 is of last May."
    assert bill == "bill 7, for billing: 12 euros, open"
    assert played.heard == ["Harbour Bakery, hello!", "Twelve euros."]
    answers = [
        voices.agent("Harbour Bakery, hello!"),
        voices.agent(caller="It is wrong.", calls=[Call(name="complain", arguments={"bill": 8})]),
        voices.agent("I am sorry about that bill.", after_call=True),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), HEARD])
    assert "I am sorry about that bill." in played.to_say
    assert json.loads(str(played.outputs[0][1]))["told"] == "Bill 8 is of last May."


@of(AGENTS, "Send a text")
async def test_send_a_text(example: ModuleType) -> None:
    """A template and a recipe reach the caller; an order of which nothing is known does not."""
    voices = Voices()
    calls = [
        *(Call(name="send_text", arguments={"template": name}) for name in ("address", "order")),
        Call(name="send_recipe"),
    ]
    answers = [voices.agent("Hello!", calls=calls), voices.agent("Sent.", after_call=True, calls=[BYE])]
    settings = AccountSettings(ACCOUNT_SID, AUTH_TOKEN, numbers=(TO_NUMBER,))
    async with serve_account(SimulatedAccount(settings=settings)) as twilio:
        environment = {"CALLBRIDGE_TWILIO_API_URL": twilio.base_url}
        played = await play(example.agent, answers, [WaitForEnd()], environment)
        sent = [message.body.partition(".")[0] for message in twilio.account.messages]
    assert [text.partition(":")[0] for text in sent] == ["Harbour Bakery, 1 Quay Street", "Rye bread"]
    assert "confirmed loaves, day yet" in str(played.outputs[1])
    assert played.outputs[2] == ("send_recipe", "on its way")


@pytest.mark.heavy
@of(AGENTS, "Recording")
async def test_recording(example: ModuleType, tmp_path: Path) -> None:
    """Who is asked agrees, and their card is left out."""
    voices = Voices()
    calls = [Call(name="agree_to_recording"), Call(name="take_card")]
    answers = [
        voices.agent("Hello! May we record this call to get better?"),
        voices.agent(caller="Yes.", calls=calls),
        voices.agent("The number, please.", after_call=True, calls=[BYE]),
    ]
    environment = {"CALLBRIDGE_RECORDINGS": str(tmp_path)}
    played = await play(example.agent, answers, [HEARD, voices.caller(), WaitForEnd()], environment)
    assert "May we record this call to get better?" in played.to_say
    kinds = [fact.kind for fact in played.call.facts if isinstance(fact, OF_RECORDINGS)]
    assert sorted(kinds) == ["consent_given", "recording_began", "recording_paused"]
    assert next(tmp_path.glob(f"{played.call.sid}-*")).stat().st_size > 0  # noqa: ASYNC240 - all is over


@pytest.mark.heavy
@of(AGENTS, "Captured data")
async def test_captured_data(example: ModuleType) -> None:
    """Name and address are misheard, and corrected; what is whole is delivered once."""
    voices = Voices()
    misheard = {"intent": "schedule_appointment", "name": "Samanda", "email": "sam@exemple"}
    corrected = {"name": "Samantha", "email": "sam@example.com"}
    answers = [
        voices.agent("Good day!"),
        voices.agent(caller="An appointment.", calls=[Call(name="note_appointment", arguments=misheard)]),
        voices.agent("Samanda, at exemple?", after_call=True),
        voices.agent(caller="Samantha.", calls=[Call(name="note_appointment", arguments=corrected)]),
        voices.agent("Samantha, at example?", after_call=True),
        voices.agent(
            caller="Yes.", calls=[Call(name="confirm_appointment", arguments={"fields": ["name", "email"]})]
        ),
        voices.agent("I pass it on.", after_call=True),
        voices.agent("The clinic rings back.", calls=[BYE]),
    ]
    steps: list[Step] = [HEARD, voices.caller(), HEARD, voices.caller(), HEARD, voices.caller()]
    played = await play(example.agent, answers, [*steps, WaitForEnd()])
    wanted = {"intent": "schedule_appointment", "name": "Samantha", "email": "sam@example.com"}
    assert [appointment.model_dump() for appointment in example.TAKEN] == [wanted]
    (captured,) = played.call.of(Captured)
    assert json.loads(captured.data) == wanted
    assert any("rings back within the hour" in told for told in played.told)
    assert played.heard[-1] == "The clinic rings back."


@of(AGENTS, "Flow")
async def test_flow(example: ModuleType) -> None:
    """Each step has its own tools, and the last one ends the call."""
    voices = Voices()
    answers = [
        voices.agent("Good day!"),
        voices.agent(
            caller="When are you open?", calls=[Call(name="opening_hours"), Call(name="go_to_hours")]
        ),
        voices.agent(calls=[Call(name="opening_hours")]),
        voices.agent("From eight to six. Thank you for calling."),
    ]
    played = await play(example.agent, answers, [HEARD, voices.caller(), WaitForEnd()])
    assert [entered.step for entered in played.call.of(StepEntered)] == ["welcome", "hours", "goodbye"]
    assert played.outputs[-1] == ("opening_hours", "8:00 to 18:00")
    assert played.heard == ["Good day!", "From eight to six. Thank you for calling."]
    assert played.call.ended.reason is EndReason.AGENT_HANGUP

"""How bridges are started: this service with no limit in the way of the load."""

from __future__ import annotations

from pathlib import Path

from bench.bridges import BRIDGES, WITH_AGENT, WITH_RECORDING, Setting
from bench.toolchain import Toolchain
from bench.wishes import WHOLE

from callbridge.agents.choosing.loading import load_roster
from callbridge.server.config.settings import VARIABLES, read_settings


def environment(name: str = "callbridge") -> dict[str, str]:
    nothing_built = Toolchain(Path(), with_tls=False)
    return BRIDGES[name].launch(nothing_built, Setting(8080, 9000, None, Path())).environment


def test_service_takes_every_call_of_the_generator() -> None:
    """All calls come from one number, up to a thousand at once, and capacity is what is measured."""
    subject = read_settings(environment())
    assert subject.calls_max > max(WHOLE.calls)
    assert subject.call_starts_per_second > WHOLE.pace.starts_per_s
    assert subject.calls_per_caller == subject.calls_per_caller_10_minutes == 0
    assert subject.calls_per_caller_day == subject.anonymous_calls_max == 0


def test_the_ordinary_agent_is_one_with_everything() -> None:
    """Else its row would say of agents what does not hold: `with-agent` differs in its agent, and has one."""
    plain, subject = environment(), environment(WITH_AGENT)
    differing = {name for name in subject if subject[name] != plain.get(name)}
    assert differing == {"CALLBRIDGE_AGENT", "PYTHONPATH"}
    _, agent = load_roster(subject["CALLBRIDGE_AGENT"], {}).find("kitchen")
    assert callable(agent.instructions)
    assert len(set(agent.toolbox.names) - {"end_call"}) == 5
    assert agent.forms
    assert agent.keys


def test_every_variable_of_the_service_is_one_that_it_reads() -> None:
    """A limit whose name is wrong would stay in the way, in silence."""
    assert set(environment()) - set(VARIABLES) == {"PYTHONPATH"}


def test_the_recorded_calls_are_recorded_and_kept() -> None:
    """Else its row would say of recording what does not hold."""
    subject = read_settings(environment(WITH_RECORDING))
    assert subject.keep_words
    assert subject.recordings is not None
    assert subject.state_path is not None
    _, agent = load_roster(environment(WITH_RECORDING)["CALLBRIDGE_AGENT"], {}).find("agent")
    assert agent.recording is not None
    assert agent.recording.consent == "none"

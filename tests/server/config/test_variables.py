"""What the process is told: the environment over the file, names in doubt, and the file's own faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from callbridge.server.config.setting_problems import Problem, SettingsError
from callbridge.server.config.settings import find_variables, read_settings
from desks import NEEDED

MACHINE = {
    "PATH": "/bin",
    "LANGUAGE": "en",
    "HOST": "conda",
    "AGENT": "ssh",
    "LOG_LEVEL": "debug",
    "REDIS_URL": "x",
}
"""What machines set for themselves."""


@pytest.fixture
def env_file(only_these: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The `.env` file of a process that is told nothing else; yet to be written."""
    return tmp_path / ".env"


def test_file_fills_what_the_environment_leaves_open(env_file: Path, only_these: pytest.MonkeyPatch) -> None:
    """The place of a value is told for those that come from the file."""
    env_file.write_text("PORT=1\nCALLBRIDGE_HOST=a\nCALLBRIDGE_CLIP=\nCALLBRIDGE_AGENT=b:c\n")
    only_these.setenv("PORT", "2")
    only_these.setenv("CALLBRIDGE_HOST", " ")
    found = find_variables()
    names = ("PORT", "CALLBRIDGE_HOST", "CALLBRIDGE_AGENT", "CALLBRIDGE_CLIP")
    assert [found.values.get(name) for name in names] == ["2", "a", "b:c", None]
    assert [found.places.get(name) for name in names[:3]] == [None, ".env, line 2", ".env, line 4"]
    assert found.problems == found.doubts == ()


def test_quotes_of_a_docker_env_file_do_no_harm() -> None:
    assert find_variables({"OPENAI_API_KEY": ' "sk-1" '}).values == {"OPENAI_API_KEY": "sk-1"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SPEND_PER_DAY", "CALLBRIDGE_SPEND_PER_DAY_MAX"),
        ("SPEND_PER_DAY_MAX", "CALLBRIDGE_SPEND_PER_DAY_MAX"),
        ("REALTIME_VOISE", "CALLBRIDGE_REALTIME_VOICE"),
        ("HOST", "CALLBRIDGE_HOST"),
        ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("TWILIO_TOKEN", "TWILIO_AUTH_TOKEN"),
        ("CALBRIDGE_AGENT", "CALLBRIDGE_AGENT"),
        ("DATABASE_URL", None),
        ("COMPOSE_PROJECT_NAME", None),
    ],
)
def test_name_in_the_file_that_looks_like_ours_is_doubted(
    env_file: Path, name: str, meant: str | None
) -> None:
    """In the folder of the service a cap that is called otherwise was meant as one."""
    env_file.write_text(f"X=1\n{name}=50\n")
    found = find_variables()
    expected = Problem(name, "is no setting of callbridge", f"Did you mean {meant}?", ".env, line 2")
    assert found.doubts == ((expected,) if meant else ())
    assert found.problems == ()


def test_name_whose_setting_is_set_is_not_doubted(env_file: Path) -> None:
    env_file.write_text("HOST=0.0.0.0\nCALLBRIDGE_HOST=127.0.0.1\n")
    assert find_variables().doubts == ()


def test_names_of_the_environment_are_doubted_only_where_nobody_else_has_them() -> None:
    """A machine is full of names of others; one that was ours before it had a prefix is told, and one whose
    prefix is misspelt.
    """
    ours = {"SPEND_PER_DAY_MAX": "50", "CALLBRIGDE_CALLS_MAX": "5"}
    found = find_variables(MACHINE | ours | {"REALTIME_VOISE": "x"})
    assert [str(doubt) for doubt in found.doubts] == [
        "SPEND_PER_DAY_MAX is no setting of callbridge. Did you mean CALLBRIDGE_SPEND_PER_DAY_MAX?",
        "CALLBRIGDE_CALLS_MAX is no setting of callbridge. Did you mean CALLBRIDGE_CALLS_MAX?",
    ]


def test_faults_of_the_file_are_told_of_our_lines(env_file: Path) -> None:
    """How other programs read their values is their affair, but a line without a name may be anybody's."""
    env_file.write_text("OTHER=a # b\nCALLBRIDGE_AGENT_GREETING=Hello #1\nand welcome\nPORT=1\n")
    found = find_variables()
    assert [problem.subject for problem in found.problems] == [
        "CALLBRIDGE_AGENT_GREETING (.env, line 2)",
        ".env, line 3",
    ]
    assert found.values["PORT"] == "1"


def test_value_that_cannot_be_read_is_not_called_missing_besides(env_file: Path) -> None:
    lines = [f"{name}={value}" for name, value in NEEDED.items() if name != "OPENAI_API_KEY"]
    env_file.write_text("\n".join([*lines, "OPENAI_API_KEY='sk-1"]))
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert [problem.subject for problem in caught.value.problems] == ["OPENAI_API_KEY (.env, line 4)"]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_other_encoding_is_the_only_fault(env_file: Path, encoding: str) -> None:
    """The values are read as well as can be, so that nothing is called missing that is there."""
    lines = [*(f"{name}={value}" for name, value in NEEDED.items()), "CALLBRIDGE_APOLOGY=Tschüß"]
    env_file.write_bytes("\n".join(lines).encode(encoding))
    found = find_variables()
    (problem,) = found.problems
    assert problem.subject == f".env, line {5 if encoding == 'cp1252' else 1}"
    assert found.values.items() >= NEEDED.items()


@pytest.mark.parametrize(
    ("mode", "is_refused", "is_open"),
    [
        (0o600, False, False),
        (0o640, False, False),
        (0o644, False, True),
        (0o666, True, True),
        (0o602, True, False),
    ],
)
def test_rights_of_the_file(env_file: Path, mode: int, is_refused: bool, is_open: bool) -> None:
    """Who may write it may send the calls elsewhere; who may read it has the keys."""
    env_file.write_text("PORT=1\n")
    env_file.chmod(mode)
    found = find_variables()
    assert [problem.remedy for problem in found.problems] == ["Run: chmod 600 .env"] * is_refused
    assert found.is_file_open_to_others is is_open


def test_folder_called_like_the_file_is_none(env_file: Path) -> None:
    env_file.mkdir()
    assert find_variables().problems == ()

"""What is wrong with the configuration, in words for whoever has to put it right.

Each fault names its variable and the remedy. Which faults there are is found in `settings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.server.config.setting_names import nearest_name, variable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic_core import ErrorDetails

_REMEDIES: Final = {
    "OPENAI_API_KEY": "Create a key at https://platform.openai.com/api-keys.",
    "TWILIO_ACCOUNT_SID": "Copy the Account SID from https://console.twilio.com.",
    "TWILIO_AUTH_TOKEN": "Copy the Auth Token from https://console.twilio.com.",
    "PUBLIC_BASE_URL": "Set it to the address under which Twilio reaches this process, "
    "such as https://my-calls.fly.dev.",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration, and what to do about it."""

    name: str
    """The environment variable."""

    what: str
    remedy: str
    place: str = ""
    """The file and line where it stands; empty for the environment."""

    @property
    def subject(self) -> str:
        """What is spoken of."""
        return f"{self.name} ({self.place})" if self.place else self.name

    def __str__(self) -> str:
        return f"{self.subject} {self.what}. {self.remedy}"


class SettingsError(Exception):
    """The configuration cannot be used; `problems` says why, variable by variable."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def unknown_name(name: str, known: Collection[str], place: str = "") -> Problem:
    """A variable that begins like ours and that no setting has. `known`: those that settings have."""
    nearest = nearest_name(name, known)
    remedy = f"Did you mean {nearest}?" if nearest else "Remove it; .env.example lists all that there are."
    return Problem(name, "is no setting", remedy, place)


def mistaken_name(name: str, meant: str, place: str = "") -> Problem:
    """A variable that does not begin like ours, and is called much like a setting."""
    return Problem(name, "is no setting of callbridge", f"Did you mean {meant}?", place)


def problem_of(error: ErrorDetails, default: object, places: Mapping[str, str]) -> Problem:
    """What is wrong with one variable, or between two.

    Args:
        error: what pydantic says.
        default: what holds when the variable is not set.
        places: file and line of those that stand in a file.
    """
    if not error["loc"]:
        return _rule_problem(error["msg"])
    field = str(error["loc"][0])
    name = variable(field)
    what, _, remedy = _what(error).partition(". ")
    return Problem(
        name, what, remedy or _REMEDIES.get(name) or _back_to_default(default), places.get(name, "")
    )


def _rule_problem(message: str) -> Problem:
    # A rule between two variables is worded "NAME what is wrong. The remedy".
    name, _, rest = message.removeprefix("Value error, ").partition(" ")
    what, _, remedy = rest.partition(". ")
    return Problem(name, what, remedy + ".")


def _what(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "is not set"
        case "value_error":
            return error["msg"].removeprefix("Value error, ")
        case "literal_error" | "enum":
            return f"must be one of {context['expected']}".replace("'", "")
        case "int_parsing" | "int_from_float":
            return "must be a whole number"
        case "float_parsing" | "finite_number":
            return "must be a number"
        case "bool_parsing":
            return "must be true or false"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case _:
            return f"is wrong: {error['msg']}"


def _back_to_default(default: object) -> str:
    return f"Correct it, or remove it for the default{'' if default is None else f' {default}'}."

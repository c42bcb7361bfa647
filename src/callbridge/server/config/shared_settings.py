"""What several processes share, and where: a part of the settings."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import SecretStr, model_validator

from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_names import variable


class SharedSettings(RestSettings):
    """The settings of many machines with one number."""

    shared_state: Literal["off", "database"] = "off"
    """database: live calls, limits and spending are shared by all machines with the same DATABASE_URL,
    PostgreSQL. Off: by the processes of this machine, through the file of CALLBRIDGE_STATE_PATH."""

    @property
    def shared_state_url(self) -> str | None:
        """The address of the database that is shared, which may have a password; nothing where none is."""
        if self.shared_state == "off":
            return None
        url: SecretStr = self.database_url  # type: ignore[attr-defined]  # It is another part's.
        return url.get_secret_value()

    @model_validator(mode="after")
    def _what_is_shared_is_on_a_server(self) -> Self:
        url: SecretStr | None = getattr(self, "database_url", None)
        if self.shared_state == "database" and (
            url is None or not url.get_secret_value().startswith("postgres")
        ):
            name, address = variable("shared_state"), variable("database_url")
            remedy = f"{address}=postgresql://user:password@host/name"
            raise ValueError(
                f"{name} is database, and {address} names no PostgreSQL. Set {remedy}, or remove {name}"
            )
        return self

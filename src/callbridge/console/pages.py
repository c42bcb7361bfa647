"""Templates into pages and parts of pages. What a template is given is escaped, whatever it holds."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from callbridge.console.vendored import vendored_files

if TYPE_CHECKING:
    from starlette.requests import Request


@cache
def templates() -> Environment:
    """Those of `console/templates`."""
    environment = Environment(
        loader=PackageLoader("callbridge.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["vendored"] = {one.name: f"/static/vendor/{one.file}" for one in vendored_files()}
    return environment


def part(template: str, **told: Any) -> str:
    """A part of a page, as htmx swaps it in."""
    return templates().get_template(template).render(**told)


def page(request: Request, template: str, *, status: int = HTTPStatus.OK, **told: Any) -> HTMLResponse:
    """A whole page. Its template extends `base.html`; the navigation is that of the request's app.

    Args:
        request: says which section is open.
        template: its name in `console/templates`.
        status: of the answer.
        told: what the template names.
    """
    text = part(template, sections=request.app.state.sections, path=request.url.path, **told)
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})

"""What a person or a program is told when something is not as it should be: the same for pages and for the API."""

from __future__ import annotations

import logging
import secrets
import traceback
from dataclasses import dataclass
from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.console.logging_in import TooManyTries
from agent.console.problem import Problem, kind_of, problem_answer, problem_of
from agent.console.request import by_htmx, show, texts_of
from agent.console.text import Texts
from agent.errors import MrspError

_log = logging.getLogger("agent.console")


@dataclass(frozen=True, slots=True)
class Said:
    """What is told of one error."""

    status: int
    title: str
    text: str
    advice: str
    headers: dict[str, str]


def answer_to(request: Request, error: Exception, *, api: bool) -> Response:
    """Return the answer that says what went wrong. What nobody foresaw is logged, and named by a number to tell."""
    said = _said_of(request, error)
    if api:
        return problem_answer(_problem(error, said), said.headers)
    template = "parts/error.html" if by_htmx(request) else "error.html"
    context = {"status": said.status, "title": said.title, "said": said.text, "advice": said.advice}
    response = show(request, template, context, status=said.status)
    response.headers.update(said.headers)
    if by_htmx(request):
        response.headers.update({"HX-Retarget": "#said", "HX-Reswap": "innerHTML"})
    return response


def problem_in(request: Request, error: Exception) -> Problem:
    """Return what went wrong for a program that is being answered already. What nobody foresaw is logged."""
    return _problem(error, _said_of(request, error))


async def unknown_path(request: Request, error: Exception) -> Response:
    """Answer to a path or method that there is none of."""
    return answer_to(request, cast("HTTPException", error), api=request.url.path.startswith("/api/"))


def _said_of(request: Request, error: Exception) -> Said:
    texts = texts_of(request)
    status, said, advice = 500, "", ""
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        said = texts("error.csrf") if error.detail == "csrf" else ""
    elif isinstance(error, MrspError):
        status, said, advice = kind_of(error).status, error.message, error.advice
    if isinstance(error, TooManyTries):
        headers["Retry-After"] = str(error.wait_s)
    if status == 500 and not isinstance(error, MrspError):
        advice = texts("error.number", number=_logged(request, error))
    return Said(status, _text(texts, f"error.{status}", "error.other"), said, advice, headers)


def _problem(error: Exception, said: Said) -> Problem:
    return problem_of(error, status=said.status, title=said.title, detail=said.text, advice=said.advice)


def _logged(request: Request, error: Exception) -> str:
    """Log what nobody foresaw; return the number that it has in the log."""
    number = secrets.token_hex(3)
    route = getattr(request.scope.get("route"), "path", "?")  # the pattern, never what a person asked for
    way = "".join(traceback.format_tb(error.__traceback__))  # its text may quote a customer's data: only the way
    _log.error("error %s at %s of the console: %s\n%s", number, route, type(error).__name__, way)
    return number


def _text(texts: Texts, key: str, otherwise: str) -> str:
    return texts(key if key in texts else otherwise)

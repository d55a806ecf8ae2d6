"""The codes of a stop: why there is no reading, what is wrong with the meter, what to warn the next person of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from agent.console.at_stop import AtStop, at_stop, photos_of, position_of, tried, troubles_of, version_of, words_of
from agent.console.hazards_seen import hazards_seen_of
from agent.console.page import Page
from agent.console.request import form_of, go_to, show, texts_of, world_of

_MOST_CODES = 64


async def form(request: Request) -> Response:
    """Show the codes to choose from. Hazards need not be confirmed for it: who turns back says why."""
    at = await at_stop(request)
    await world_of(request).access.saw(at.person, "stop", at.stop.stop_id)
    return _page(request, at, at.stop.codes, at.stop.remark or "")


async def settle(request: Request) -> Response:
    """Set down the codes; go on with the route where they say why there is no reading, else back to the stop."""
    at, words = await at_stop(request), words_of(request, "remark")
    codes = tuple(code for code in form_of(request).getlist("code")[:_MOST_CODES] if isinstance(code, str))
    if not codes and not at.stop.codes:
        return _page(request, at, codes, words, {"said": texts_of(request)("trouble.none")}, status=422)

    async def set_down() -> None:
        position, photos = position_of(request), await photos_of(request)
        await troubles_of(request).trouble(
            at.stop.stop_id,
            at.person.name,
            version_of(request),
            codes,
            remark=words or None,
            photos=photos,
            position=position,
        )

    if said := await tried(set_down()):
        return _page(request, await at_stop(request), codes, words, said, status=409 if "conflict" in said else 422)
    await world_of(request).access.did(at.person, "coded", "stop", at.stop.stop_id, codes=", ".join(codes))
    hazards_seen_of(request).confirm(at.person, at.stop.stop_id, codes)  # who reports it knows of it
    known = at.walk.view.codes
    over = any(known[code].non_reading for code in codes)
    return go_to(request, f"/routes/{at.stop.route_id}" if over else at.path)


def _page(
    request: Request,
    at: AtStop,
    given: tuple[str, ...],
    words: str,
    said: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
) -> Response:
    codes = at.walk.view.codes
    troubles = codes.of_kind("trouble")
    groups = {
        "over": [] if at.stop.state == "read" else [one for one in troubles if one[1].non_reading],
        "with": [one for one in troubles if not one[1].non_reading],
        "hazard": codes.of_kind("hazard"),
        "note": codes.of_kind("note"),
    }
    context = {
        **at.context(),
        "groups": {name: found for name, found in groups.items() if found},
        "given": given,
        "words": words,
        "takes_photos": world_of(request).photos is not None,
        "conflict": "",
        "said": "",
        "advice": "",
        **(said or {}),
    }
    return show(request, "stop_trouble.html", context, status=status)


PAGES = (
    Page("/stops/{stop_id}/trouble", form),
    Page("/stops/{stop_id}/trouble", settle, method="POST", body="upload"),
)

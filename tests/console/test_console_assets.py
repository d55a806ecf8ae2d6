"""Static files: only those, unchanged from the registry, cached by version; and templates that the policy allows."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from agent.console.assets import FOR_EVER
from agent.console.shown import icon, static_url
from agent.console.shown_figures import octets, span
from tests.console.console_kit import console_in

HERE = Path(__file__).resolve().parents[2] / "agent" / "console"
VENDOR = HERE / "static" / "vendor"
SCRIPTS = sorted(path for path in (HERE / "static").rglob("*.js") if path.parent != VENDOR)
TEMPLATES = sorted((HERE / "templates").rglob("*.html"))


async def test_files_are_served_to_anybody_and_for_ever_by_their_version(tmp_path: Path) -> None:
    async with console_in(tmp_path) as console:
        for path in ("console.css", "console.js", "vendor/htmx.min.js", "vendor/uPlot.min.css", "icon.svg"):
            answer = await console.client.get(static_url(path))
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == FOR_EVER
            assert answer.content == (HERE / "static" / path).read_bytes()
        old = await console.client.get("/static/console.css?v=old")
        assert old.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["../app.py", "..%2fapp.py", "vendor/VENDORED.toml", "vendor/htmx.LICENSE", "vendor", "",
     "/etc/passwd", "%00.css", "nothing.css", "vendor/../../text.py"],
)  # fmt: skip
async def test_nothing_else_is_served(tmp_path: Path, path: str) -> None:
    async with console_in(tmp_path) as console:
        assert (await console.client.get(f"/static/{path}")).status_code == 404


def test_what_others_wrote_is_listed_with_its_licence() -> None:
    packages = tomllib.loads((VENDOR / "VENDORED.toml").read_text())["package"]
    listed = {name for package in packages for name in package["files"]}
    assert listed == {path.name for path in VENDOR.iterdir()} - {"VENDORED.toml"}
    for package in packages:
        assert re.fullmatch(r"[0-9a-f]{64}", package["sha256"])
        assert package["licence"] in {"0BSD", "MIT"}
        assert any(name.endswith(".LICENSE") for name in package["files"])


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_needs_what_the_policy_forbids(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not re.search(
        r"\sstyle\s*=|<style|javascript:|\son[a-z]+\s*=|hx-on|hx-vals\s*=\s*['\"]js:|\|\s*safe\b", text
    )
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", text)
    assert not re.search(r"""hx-trigger\s*=\s*["'][^"']*\[""", text)  # a filter would have to be evaluated
    for form in re.findall(r"<form\b.*?</form>", text, re.DOTALL):
        assert 'method="get"' in form or "csrf" in form


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda path: path.name)
def test_our_scripts_evaluate_nothing_and_write_no_markup(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(
        r"\beval\b|new Function|\.innerHTML|outerHTML|insertAdjacentHTML|document\.write|https?://", text
    )


def test_icons_are_drawn_in_the_colour_of_the_text_and_say_nothing() -> None:
    names = [path.stem for path in (HERE / "static" / "icons").glob("*.svg")]
    assert len(names) > 10
    for name in names:
        drawn = icon(name)
        assert drawn.startswith('<svg class="icon"')
        assert 'aria-hidden="true"' in drawn
        assert not re.search(r"style|script|fill=|href", drawn)


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 octets"), (999, "999 octets"), (1_000, "1 kB"), (1_073_741_824, "1.07 GB")]
)
def test_sizes_have_three_digits(count: int, said: str) -> None:
    assert octets(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3_700, "1 h 1 min"), (86_400, "1 d"), (90_000, "1 d 1 h")],
)
def test_spans_have_two_units(seconds: int, said: str) -> None:
    shown = span(timedelta(seconds=seconds))
    assert shown.replace("\N{NO-BREAK SPACE}", " ") == said
    assert shown.count(" ") == said.count(" ") // 2, "a number stands without its unit at the end of a line"

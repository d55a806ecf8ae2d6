"""Every command and option of `mrsp` and `metersim` that a page names is there, with that name."""

from __future__ import annotations

import argparse
import importlib
from functools import cache

import pytest

from agent.cli.main import COMMANDS as MRSP
from metersim.cli import COMMANDS as METERSIM
from tests.docs.pages import Typed, is_placeholder, typed

_GLOBAL = {"mrsp": {"--help", "--version"}, "metersim": {"--help"}}


@cache
def parser_of(program: str, command: str) -> argparse.ArgumentParser:
    module = f"agent.cli.{MRSP[command].module}" if program == "mrsp" else METERSIM[command][0]
    parser = argparse.ArgumentParser(prog=f"{program} {command}", allow_abbrev=False)
    if program == "mrsp":
        parser.add_argument("-v", "--verbose", action="count")
    importlib.import_module(module).add_arguments(parser)
    return parser


def verbs_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next((one.choices for one in parser._actions if isinstance(one, argparse._SubParsersAction)), {})


def mistakes(words: list[str]) -> list[str]:
    """Return what no parser knows of `mrsp read …` or `metersim meter …`."""
    program, *rest = words
    commands = MRSP if program == "mrsp" else METERSIM
    name, *rest = rest
    if name in _GLOBAL[program] or (is_placeholder(name) and "|" not in name):
        return []
    wrong: list[str] = []
    for one in name.split("|"):
        if one not in commands:
            wrong.append(f"there is no `{program} {one}`")
            continue
        parser = parser_of(program, one)
        while (verbs := verbs_of(parser)) and rest and not rest[0].startswith("-"):
            chosen, *rest = rest
            unknown = [verb for verb in chosen.split("|") if verb not in verbs and not is_placeholder(verb)]
            if unknown:
                return [*wrong, f"`{program} {one}` has no `{unknown[0]}`"]
            parser = verbs[next(verb for verb in chosen.split("|") if verb in verbs)]
        options = [word.strip("[]").partition("=")[0].split("|")[0] for word in rest if word.strip("[").startswith("-")]
        known = parser._option_string_actions.keys() | {"--"}
        wrong += [f"`{parser.prog}` has no {option}" for option in options if option not in known]
    return wrong


def _own_words(command: Typed) -> list[str]:
    """Return the words from `mrsp` or `metersim` on, where one is called, up to a pipe or a redirection."""
    words = command.words
    for others in (("sudo", "-u", ""), ("runuser", "-u", "", "--")):  # who it is run as
        if all(word in {"", found} for word, found in zip(others, words, strict=False)):
            words = words[len(others) :]
    end = next((at for at, word in enumerate(words) if word[0] in "<>|&;" and len(word) < 3), len(words))
    return words[:end] if words[:1] and words[0] in _GLOBAL and end > 1 else []


@pytest.mark.parametrize("command", sorted(set(typed()), key=str), ids=str)
def test_what_a_page_tells_to_type_exists(command: Typed) -> None:
    words = _own_words(command)
    assert not words or mistakes(words) == []


def test_a_command_that_is_not_there_is_found() -> None:
    assert mistakes(["mrsp", "reed", "/dev/ttyUSB0"]) == ["there is no `mrsp reed`"]
    assert mistakes(["mrsp", "read", "URL", "--foo"]) == ["`mrsp read` has no --foo"]
    assert mistakes(["mrsp", "keys", "initialise"]) == ["`mrsp keys` has no `initialise`"]
    assert mistakes(["metersim", "meter", "--tcp=0"]) == []

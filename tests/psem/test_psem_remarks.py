"""What the operator is told about a line that works, but not as it is set up."""

from __future__ import annotations

import pytest

from drivers.psem import PsemClient
from drivers.transport.base import Transport
from drivers.transport.echoing import EchoTransport
from tests.psem.lines import Line, Tables, clock, run


def remarks(*, echoes: bool, mode: str) -> tuple[str, ...]:
    async def main() -> tuple[str, ...]:
        line = Line(Tables({1: b"first"}))
        write = line.write

        async def echoing(chunk: bytes, *, secret: bool = False) -> None:
            if echoes:
                line.say(chunk, after=len(chunk) * 10 / 9600)
            await write(chunk, secret=secret)

        line.write = echoing  # type: ignore[method-assign]
        transport: Transport = line if mode == "off" else EchoTransport(line, "on" if mode == "on" else "auto")
        client = PsemClient(transport, clock=clock)
        async with client.session():
            assert await client.read_table(1) == b"first"
        return client.remarks()

    return run(main())


@pytest.mark.parametrize(("echoes", "mode"), [(True, "auto"), (True, "on"), (False, "auto"), (False, "off")])
def test_nothing_is_said_where_the_setting_is_right(echoes: bool, mode: str) -> None:
    assert remarks(echoes=echoes, mode=mode) == ()


def test_an_echo_that_nobody_expects() -> None:
    (remark,) = remarks(echoes=True, mode="off")
    assert "echo = auto" in remark


def test_an_echo_that_does_not_come() -> None:
    assert any("does not echo" in remark for remark in remarks(echoes=False, mode="on"))

"""The wire by PyVISA: one resource, opened on first use, with every way in which it can fail told apart.

PyVISA-py tells of a refused connection by an `OSError` of its first use, and of one that was closed not at all.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from drivers.errors import UsageError
from drivers.instruments.answer import LONGEST
from drivers.instruments.errors import BadAnswer, InstrumentError, InstrumentLost, InstrumentSilent
from drivers.instruments.schema import Line
from drivers.instruments.tcp_line import await_answer, surplus

_OPENING = threading.Lock()  # PyVISA shares its resource managers between threads, and does not lock their making
_PLUG = "check power, cable and address of the instrument"


def _pyvisa() -> Any:
    """Import PyVISA. Raises `UsageError` where the extra is not installed."""
    try:
        import pyvisa  # noqa: PLC0415 - only where there is a bench
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed", advice="pip install 'mrsp-agent[bench]'") from error
    return pyvisa


class VisaWire:
    """Text to one VISA resource and back."""

    def __init__(self, resource: str, line: Line, backend: str) -> None:
        self._name = resource
        self._line = line
        self._backend = backend
        self._resource: Any = None

    def send(self, command: str) -> None:
        """Send one command."""
        resource = self._opened()
        try:
            unasked = surplus(resource)
        except OSError as error:
            raise self._failure(command, error) from error
        if unasked:
            self.drop()
            raise BadAnswer(
                f"before {command!r} was sent, something came that was not asked for",
                advice="make sure that nobody else speaks to it, and check the profile's terminations",
            )
        try:
            resource.write_raw(f"{command}{self._line.send}".encode("ascii"))
        except Exception as error:
            raise self._failure(command, error) from error

    def ask(self, command: str) -> str:
        """Send one command and return its answer."""
        self.send(command)
        resource, full = self._resource, _pyvisa().constants.StatusCode.success_max_count_read
        try:
            await_answer(resource, self._line.timeout_s)
            with resource.ignore_warning(full):  # an answer that is too long is an error of ours below
                octets, _ = resource.visalib.read(resource.session, LONGEST + 1)
        except Exception as error:
            raise self._failure(command, error) from error
        return self._text(command, bytes(octets))

    def drop(self) -> None:
        """Close the resource."""
        resource, self._resource = self._resource, None
        if resource is not None:
            with contextlib.suppress(Exception):  # it is gone, or goes with its socket
                resource.close()

    def _text(self, command: str, octets: bytes) -> str:
        """Return one answer as text. Anything else closes the wire: what follows would be taken for answers."""
        end = self._line.receive.encode()
        if len(octets) > LONGEST:
            self.drop()
            raise BadAnswer(f"{command!r}: more than {LONGEST} octets came", advice="check the profile's terminations")
        if not octets.endswith(end):
            self.drop()
            raise BadAnswer(
                f"{command!r}: {octets[:60]!r} has no end", advice="check `receive` in [line] of the profile"
            )
        text = octets[: -len(end)].decode("latin-1")
        if not text.isascii() or not text.isprintable():
            self.drop()
            raise BadAnswer(f"{command!r}: {octets[:60]!r} is no text", advice="check address, profile and line speed")
        return text

    def _opened(self) -> Any:
        if self._resource is None:
            self._resource = self._open()
        return self._resource

    def _open(self) -> Any:
        pyvisa = _pyvisa()
        options: dict[str, Any] = {
            "read_termination": self._line.receive,
            "timeout": int(self._line.timeout_s * 1000),
            "open_timeout": int(self._line.timeout_s * 1000),
        }
        if self._line.baud is not None and self._name.upper().startswith("ASRL"):
            options["baud_rate"] = self._line.baud
        try:
            pyvisa.rname.ResourceName.from_string(self._name)
        except pyvisa.rname.InvalidResourceName as error:
            raise UsageError(
                f"{self._name!r} is no VISA resource", advice="e.g. TCPIP::192.168.1.20::5025::SOCKET"
            ) from error
        with _OPENING:
            try:
                manager = pyvisa.ResourceManager(self._backend)
            except Exception as error:  # of a wrapper that is not there, a file that cannot be read, a library
                raise UsageError(
                    f"the VISA library {self._backend!r} cannot be used: {error}",
                    advice="@py needs pip install 'mrsp-agent[bench]'",
                ) from error
        try:
            return manager.open_resource(self._name, **options)
        except Exception as error:
            raise InstrumentLost(f"it cannot be opened: {error}", advice=_PLUG) from error

    def _failure(self, command: str, error: Exception) -> InstrumentError:
        """Close the wire, and return what to raise."""
        self.drop()
        code = getattr(error, "abbreviation", "")
        if code == "VI_ERROR_TMO":
            return InstrumentSilent(
                f"{command!r}: no whole answer within {self._line.timeout_s:g} s",
                advice="the instrument hangs, is gone, or does not know this command",
            )
        return InstrumentLost(f"{command!r}: the connection is lost: {code or error}", advice=_PLUG)

"""The argument list of rtl_433. Nothing goes through a shell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drivers.ert.message import Kind

PROTOCOLS: dict[Kind, int] = {"scm": 149, "scmplus": 154, "idm": 160, "netidm": 161}
FREQUENCY = 912_600_155  # Hz: the middle of what is received of the 50 channels between 902 and 928 MHz
LIVE_RATE, FILE_RATE = 2_359_296, 1_024_000  # samples a second
LOWEST_RATE, HIGHEST_RATE = 1_000_000, 3_200_000  # below a million nothing is decoded


@dataclass(frozen=True, slots=True)
class Tuning:
    """How the receiver is set. `detector`: its `-Y` options, how it tells pulses from noise."""

    device: str = "0"  # of a live receiver: `0`, `:SERIAL`, `rtl_tcp:HOST:PORT`
    frequency: int = FREQUENCY
    sample_rate: int = LIVE_RATE
    gain: str = ""  # dB; empty: automatic
    ppm: int = 0  # correction of its crystal
    detector: tuple[str, ...] = ("autolevel", "magest")


def live(program: str, conf: str, tuning: Tuning, kinds: Iterable[Kind]) -> list[str]:
    """Return the command of a live receiver, which tells every second by its noise that it receives.

    `conf`: an empty configuration file; without one the program looks for others.
    """
    command = [program, "-c", conf, "-d", tuning.device, "-f", str(tuning.frequency), "-s", str(tuning.sample_rate)]
    command += ["-g", tuning.gain] if tuning.gain else []
    command += ["-p", str(tuning.ppm)] if tuning.ppm else []
    return [*command, *_common(tuning, kinds), "-M", "time:unix:usec:utc", "-M", "noise:1"]


def recorded(program: str, conf: str, tuning: Tuning, kinds: Iterable[Kind]) -> list[str]:
    """Return the command that decodes I/Q samples (unsigned octets) from its standard input; times are positions.

    Names of files are parsed for hints by the program, and some refused: standard input has no name.
    """
    return [program, "-c", conf, "-r", "cu8:-", "-s", str(tuning.sample_rate), *_common(tuning, kinds)]


def _common(tuning: Tuning, kinds: Iterable[Kind]) -> list[str]:
    protocols = [word for kind in PROTOCOLS if kind in kinds for word in ("-R", str(PROTOCOLS[kind]))]
    detector = [word for option in tuning.detector for word in ("-Y", option)]
    return [*protocols, *detector, "-M", "level", "-M", "protocol", "-F", "json"]

"""What a client learns of a line and a meter while it talks: how late answers come, how long packets pause, how
many octets are damaged, and whether the toggle bit means anything. Told by the link; no line, no clock.
"""

from __future__ import annotations

from drivers.memory import LineMemory
from drivers.psem.adaptive import expected_rate
from drivers.psem.options import PsemOptions
from drivers.psem.patience import Patience
from drivers.psem.pauses import Pauses
from drivers.psem.quality import LineQuality
from drivers.psem.toggles import ToggleWatch
from drivers.psem.wiring import LineKind


class Experience:
    """Of one line; outlives sessions."""

    __slots__ = ("_asked_at", "_unjudged", "_unsure", "patience", "pauses", "quality", "toggles")

    def __init__(
        self, options: PsemOptions, kind: LineKind, *, baud: int, remembered: LineMemory | None = None
    ) -> None:
        slowest_s = float((remembered.slowest_answer_s if remembered else None) or 0)
        far = kind is not LineKind.PROBE
        self.patience = Patience(options.timing.response_s, network=far, remembered_s=slowest_s)
        self.pauses = Pauses(options.timing.inter_character_s, kind)
        self.quality = LineQuality(expected_rate(remembered, options.packet_size, baud=baud, far=far))
        self.toggles = ToggleWatch(options.toggles)
        self._asked_at: float | None = None  # since when the first octet of an answer is waited for
        self._unsure = 0  # repeats of the packet in flight that nothing has answered yet
        self._unjudged = 0  # octets heard since the last packet that was judged

    def asked(self, at: float) -> None:
        """From this second on an acknowledgement or an answer is waited for."""
        self._asked_at = at

    def asked_again(self) -> None:
        """The packet in flight goes out once more."""
        self._unsure += 1
        self.toggles.line_is_bad()

    def heard(self, octets: int, now: float) -> None:
        """So many octets came in, whatever they are."""
        self._unjudged += octets
        if self._asked_at is not None and octets:
            self.patience.heard(max(0.0, now - self._asked_at), sure=not self._unsure)
            self._asked_at = None

    def arrived(self, octets: int, in_flight: int) -> None:
        """A packet of so many octets got through, theirs or ours; `in_flight`: the length of ours."""
        self._count_repeats(in_flight)
        self._unjudged = 0
        self.quality.whole(octets)

    def damaged(self) -> None:
        """What came in last was a packet, and is of no use."""
        self.quality.damaged(self._unjudged)
        self.pauses.broken()
        self._unjudged = 0
        self.toggles.line_is_bad()

    def failed(self, in_flight: int, *, heard: bool) -> None:
        """The packet in flight is given up. On a silent line that says nothing about octets."""
        if heard:
            self._count_repeats(in_flight)

    def idle(self) -> None:
        """Nothing is waited for any more."""
        self._asked_at = None
        self._unsure = 0

    def _count_repeats(self, octets: int) -> None:
        for _ in range(self._unsure):
            self.quality.damaged(octets)
        self._unsure = 0

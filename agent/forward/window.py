"""Which documents are under way: at most a window of them, each sent again when its acknowledgement stays out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

RESEND_WAITS_S = (30.0, 60.0, 120.0, 300.0, 600.0)  # after the 1st, 2nd, … sending; the last one repeats
PATIENCE = 3  # sendings after which a document no longer holds a place of the window: others may pass it
MAX_TRACKED = 1_000  # documents that the MDSP leaves unacknowledged, before sending stops altogether


@dataclass(frozen=True, slots=True)
class _Sent:
    document_id: str
    times: int
    due: float


class SendWindow:
    """Links (`seq`) sent and not acknowledged. Pure: `now` is any steadily rising number of seconds."""

    def __init__(self, size: int, resend_waits_s: tuple[float, ...] = RESEND_WAITS_S) -> None:
        self._size = size
        self._waits_s = resend_waits_s
        self._sent: dict[int, _Sent] = {}

    def room(self, now: float) -> int:
        """Return how many documents may be sent now."""
        waiting = [sent for sent in self._sent.values() if sent.due > now]
        patient = sum(sent.times < PATIENCE for sent in waiting)
        return max(0, min(self._size - patient, MAX_TRACKED - len(waiting)))

    def under_way(self, now: float) -> frozenset[int]:
        """Return the links that are not to be sent now: sent before, and not due again."""
        return frozenset(seq for seq, sent in self._sent.items() if sent.due > now)

    def sent(self, seq: int, document_id: str, now: float) -> int:
        """Note a sending; return how many times this document has been sent without an acknowledgement."""
        times = self._sent[seq].times + 1 if seq in self._sent else 1
        wait_s = self._waits_s[min(times, len(self._waits_s)) - 1]
        self._sent[seq] = _Sent(document_id, times, now + wait_s)
        return times

    def acknowledged(self, document_ids: Collection[str]) -> None:
        """Forget documents that the MDSP has."""
        self._sent = {seq: sent for seq, sent in self._sent.items() if sent.document_id not in document_ids}

    def restart(self) -> None:
        """A new connection: everything unacknowledged is due again, at once and in order."""
        self._sent = {seq: replace(sent, due=float("-inf")) for seq, sent in self._sent.items()}

    def forget_due(self, now: float) -> None:
        """Forget documents that are due but no longer in the spool."""
        self._sent = {seq: sent for seq, sent in self._sent.items() if sent.due > now}

    def next_due(self, now: float) -> float:
        """Return when the next document under way falls due; infinity if none is."""
        return min((sent.due for sent in self._sent.values() if sent.due > now), default=float("inf"))

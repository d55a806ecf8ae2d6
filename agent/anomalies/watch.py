"""What is reported already: a finding is news once, until a reading shows that it is gone.

The unit is a finding with its mark: a second fault of the same kind is news while the first one stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from agent.anomalies.observation import Observation
from agent.anomaly import Finding

MOST_OPEN = 64  # of one meter; beyond it the oldest are forgotten, and reported again if they are still there
OF_THE_PLACE = frozenset[Finding]({"wrong_meter"})  # goes on whichever meter is found


class OpenFinding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Reported by the anomaly report `anomaly_id`, and not gone since."""

    finding: Finding
    anomaly_id: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """What has to be reported: `marks` are those of the observation that are new."""

    observation: Observation
    marks: tuple[str, ...]
    follows: str | None  # the report of what stays of the same kind

    def opened(self, anomaly_id: str) -> tuple[OpenFinding, ...]:
        """Return what is open once this is reported."""
        return tuple(OpenFinding(self.observation.finding, anomaly_id, mark) for mark in self.marks)


def news_of(
    known: Sequence[OpenFinding], seen: Iterable[Observation]
) -> tuple[tuple[OpenFinding, ...], tuple[News, ...]]:
    """Return which of the `known` findings stay open, and what of the `seen` has to be reported.

    A finding stays open until an observation of its kind does not show it; what was not looked for stays as it is.
    """
    looked = {observation.finding: observation for observation in seen}
    stay = tuple(one for one in known if one.finding not in looked or one.mark in looked[one.finding].marks)
    news: list[News] = []
    for finding, observation in looked.items():
        same = [one for one in stay if one.finding == finding]
        reported = {one.mark for one in same}
        if fresh := tuple(mark for mark in observation.marks if mark not in reported):
            news.append(News(observation, fresh, same[-1].anomaly_id if same else None))
    return stay, tuple(news)


def of_another_meter(known: Iterable[OpenFinding]) -> tuple[OpenFinding, ...]:
    """Return what stays open where another meter than before is found."""
    return tuple(one for one in known if one.finding in OF_THE_PLACE)


def bounded(known: Sequence[OpenFinding]) -> tuple[OpenFinding, ...]:
    """Keep the newest."""
    return tuple(known[-MOST_OPEN:])

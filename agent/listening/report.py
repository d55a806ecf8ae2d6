"""What a run or a cycle came to, in words: what was read of the plan, what was not, and what else was on the air."""

from __future__ import annotations

from collections.abc import Iterator

from agent.listening.board import Board
from agent.listening.hearing import Hearing
from agent.listening.plan import PlannedMeter, ReadPlan

MOST_LISTED_FOREIGN = 20
MOST_REASONS = 8


def progress_line(board: Board, plan: ReadPlan) -> str:
    """Return one line for a person who watches."""
    return (
        f"{board.receptions:,} messages, {board.delivered:,} of {len(plan.meters):,} meters read"
        f" ({percent(board.delivered, len(plan.meters))}), {board.foreign.meters} foreign meters"
    )


def summary(board: Board, plan: ReadPlan) -> Iterator[str]:
    """Give the lines of the end of a run: every planned meter that was not delivered is among them."""
    yield progress_line(board, plan)
    if board.refused:
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in board.refused.most_common(MOST_REASONS))
        yield f"{board.refused.total():,} lines were no messages of meters ({reasons})"
    for hearing in board.suspicious():
        yield f"suspicious: {named(hearing.planned)}: {suspicion(hearing)}"
    for hearing in board.unconfirmed():
        yield f"unconfirmed: {named(hearing.planned)}: {unconfirmed_because(hearing)}"
    unheard = board.unheard()
    if unheard:
        yield f"{len(unheard):,} planned meters were not heard:"
    for meter in unheard:
        yield f"unheard: {named(meter)}"
    if not plan.meters:
        yield from heard_without_plan(board)


def heard_without_plan(board: Board) -> Iterator[str]:
    """Give the meters that were heard most: what a plan could be made of."""
    for (message, meter_id), count in board.foreign.by_meter.most_common(MOST_LISTED_FOREIGN):
        yield f"heard: {meter_id} ({message}), {count:,} messages"


def named(meter: PlannedMeter) -> str:
    """Return who a planned meter is, and where it serves."""
    where = f", {meter.service_delivery_point_id}" if meter.service_delivery_point_id else ""
    return f"{meter.meter_id} ({meter.message}{where})"


def suspicion(hearing: Hearing) -> str:
    """Say why a meter's messages are suspicious."""
    if hearing.senders:
        counts = ", ".join(str(sender.count) for sender in hearing.senders)
        return f"several senders use this identification; they tell {counts}"
    return "more messages than a meter sends"


def unconfirmed_because(hearing: Hearing) -> str:
    """Say why nothing of a meter that was heard is delivered."""
    counts = ", ".join(map(str, hearing.counts))
    if hearing.senders:
        return f"senders contradict each other ({counts}), and the last reading does not decide"
    if hearing.heard == 1:
        return f"heard once ({counts}), and no last reading that it follows from"
    return f"heard {hearing.heard} times, but no two messages agree and follow from the last reading ({counts})"


def percent(part: int, whole: int) -> str:
    """Write a share, rounded down: 100 % is all."""
    return f"{part * 100 // whole} %" if whole else "no plan"

"""The order of entries in the meter's lists: self reads (ST26), logs (ST74, ST76), load-profile blocks (ST63)."""

from __future__ import annotations

from drivers.errors import DataError


def oldest_first(name: str, entries: int, valid: int, newest: int, *, descending: bool) -> tuple[int, ...]:
    """Return the element numbers of the `valid` entries, oldest first, walking around the end of the array.

    `newest` is LAST_…_ELEMENT in either order. Raises `DataError` when the numbers contradict the size of the list.
    """
    if not valid:
        return ()
    if valid > entries or newest >= entries:
        raise DataError(
            f"{name} says {valid} valid entries, the last at element {newest}, in a list of {entries}",
            advice="read the list and its limiting table again",
        )
    if descending:
        return tuple((newest + age) % entries for age in range(valid - 1, -1, -1))
    return tuple((newest - age) % entries for age in range(valid - 1, -1, -1))

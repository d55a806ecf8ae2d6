"""The ear for pages: meters that send their reading on a paging channel, heard through multimon-ng.

A page is not trustworthy by itself: at the edge of reception multimon-ng prints wrong characters that look right. So
its address must be in the plan, its function and coding those of the meter's message format, and the format must carry
a check value. What is not so is refused by one of `REFUSALS`, and counted by it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from pathlib import Path

from agent.clock.boot import read_boot_stamp
from agent.clock.instant import Clock
from agent.listening.plan import PlannedMeter, ReadPlan, key_of
from agent.listening.reception import Confirmed, Reception, Refused
from agent.listening.register_of_page import registers_of
from agent.utc_text import utc_text
from drivers.data import Identity, MeterData, Problem
from drivers.errors import DataError, UsageError
from drivers.pager.formats import MessageFormat, Parsed, load_format
from drivers.pager.formats_grammar import WrongCheck
from drivers.pager.formats_schema import DecimalField, DigitsField, HexField
from drivers.pager.multimon import Line, Multimon
from drivers.pager.multimon_lines import HeardPage, read_line
from drivers.pager.multimon_programs import AudioFile, Coding, Decoder, Receiver

DEFAULT_FORMAT = "ascii-checked"
LARGEST_ADDRESS = 4_297_068_542  # of FLEX; POCSAG ends at 2,097,151
NO_PAGE, NO_TEXT = "no page", "page without text"
FOREIGN, OTHER_FUNCTION, OTHER_CODING = "address not in the plan", "function not planned", "coding not planned"
WRONG_CHECK, WRONG_FORM = "wrong check value", "not of the meter's format"
OTHER_METER, TOO_LONG = "planned meter at another address", "line too long"
REFUSALS = (
    NO_PAGE,
    NO_TEXT,
    FOREIGN,
    OTHER_FUNCTION,
    OTHER_CODING,
    WRONG_CHECK,
    WRONG_FORM,
    OTHER_METER,
    TOO_LONG,
)


@dataclass(frozen=True, slots=True)
class _Content:
    """What a reception says, and by which format."""

    format: MessageFormat
    parsed: Parsed


class PagerEar:
    """An `Ear` of one paging channel. Its recordings are the lines of multimon-ng."""

    def __init__(
        self,
        plan: ReadPlan,
        clock: Clock,
        source: AudioFile | Receiver,
        *,
        decoder: Decoder | None = None,
        profile_dirs: Iterable[Path] = (),
        zone: tzinfo | None = None,
    ) -> None:
        """Load the formats of the planned meters; `zone`: of the sites, for formats that tell local time.

        Raises `UsageError` for a meter whose format is unknown or without a check value, or that has no address.
        """
        self.name = f"multimon-ng, {source}"
        self._clock = clock
        self._source = source
        self._zone = zone
        directories = tuple(profile_dirs)
        self._formats: dict[str, MessageFormat] = {}
        self._at: dict[int, dict[str, MessageFormat]] = {}  # address → formats of its meters
        self._addresses: dict[str, int] = {}  # meter → its address
        for planned in plan.meters:
            if planned.message == "pager":
                self._expect(planned, directories)
        if not self._at:
            raise UsageError("the plan has no meter with the message `pager`", advice="column message: pager")
        decoder = decoder or Decoder()
        self._decoder = Decoder(
            coding=_coding(self._formats.values()),
            rates=decoder.rates,
            inverted=decoder.inverted,
            flex=decoder.flex,
            program=decoder.program,
        )

    async def receptions(self) -> AsyncGenerator[Reception | Refused, None]:
        """Yield what is heard, as `Ear` says."""
        heard = Multimon(self._source, self._decoder, self._clock.boottime_ns)
        overlong = 0
        async with aclosing(heard.lines()) as lines:
            async for line in lines:
                yield self._taken(line)
                for _ in range(heard.overlong - overlong):
                    yield Refused(TOO_LONG)
                overlong = heard.overlong

    def data(self, confirmed: Confirmed) -> MeterData:
        """Return what the newest page says, as `Ear` says. Pure."""
        content = _content(confirmed.newest)
        others = [_content(one).parsed for one in confirmed.receptions[:-1]]
        registers, problems = registers_of(confirmed.planned, content.format, content.parsed, others)
        said, at = content.parsed.meter_id, content.parsed.at
        if at is not None:
            repeated = ", in the repeated hour, whose first pass is taken" if content.parsed.ambiguous else ""
            problems += (Problem("time in the message", f"the meter says {utc_text(at)}{repeated}", lost=False),)
        return MeterData(
            identity=Identity(said if said == confirmed.planned.meter_id else key_of(said)),
            profile=content.format.name,
            method="pager",
            registers=registers,
            problems=problems,
            authenticated=False,
        )

    def _expect(self, planned: PlannedMeter, directories: tuple[Path, ...]) -> None:
        name = planned.format or DEFAULT_FORMAT
        if name not in self._formats:
            self._formats[name] = load_format(name, directories)
        made = self._formats[name]
        if not made.checked:
            raise UsageError(
                f"meter {planned.meter_id}: the message format {name} has no check value",
                advice="pages arrive damaged without a sign of it: only formats with a check value are listened for",
            )
        if self._zone is None and made.needs_zone:
            raise UsageError(
                f"meter {planned.meter_id}: times of the format {name} are in the zone of the site, and none is given",
                advice="add `zone` to [clock] of the configuration",
            )
        if Decimal(made.reply_means.registers[0].multiplier) != 1:
            raise UsageError(
                f"meter {planned.meter_id}: the first register of the message format {name} has a multiplier",
                advice="in one-way reception it belongs into the plan; places that are not sent are `decimals`",
            )
        address = _address(planned)
        self._at.setdefault(address, {})[name] = made
        self._addresses[key_of(planned.meter_id)] = address

    def _taken(self, line: Line) -> Reception | Refused:
        page = read_line(line.octets)
        if page is None:
            return Refused(NO_PAGE, line.octets)
        heard = self._understood(page)
        if isinstance(heard, str):
            return Refused(heard, line.octets)
        made, parsed = heard.format, heard.parsed
        whole, step = _scale(made)
        return Reception(
            message="pager",
            meter_id=key_of(parsed.meter_id),
            count=Decimal(parsed.registers[0].raw),
            at=read_boot_stamp(self._clock),
            moment_ns=line.moment_ns,
            line=line.octets,
            wrap=whole,
            step=step,
            content=heard,
        )

    def _understood(self, page: HeardPage) -> _Content | str:
        """Return what a page says, or why it is refused."""
        formats = self._at.get(page.address)
        if formats is None:
            return FOREIGN
        if page.text is None:
            return NO_TEXT
        reason = ""
        for made in formats.values():
            found = self._read(made, page, page.text)
            if not isinstance(found, str):
                at = self._addresses.get(key_of(found.parsed.meter_id))
                return found if at in {None, page.address} else OTHER_METER
            reason = WRONG_CHECK if WRONG_CHECK in {reason, found} else found
        return reason

    def _read(self, made: MessageFormat, page: HeardPage, text: str) -> _Content | str:
        function = made.on_air.function
        if page.function is not None and function not in {None, page.function}:
            return OTHER_FUNCTION
        if page.coding != made.on_air.coding:
            return OTHER_CODING
        try:
            return _Content(made, made.parse(text, site_zone=self._zone))
        except WrongCheck:
            return WRONG_CHECK
        except DataError:
            return WRONG_FORM


def _address(planned: PlannedMeter) -> int:
    text = planned.address or planned.meter_id
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 8 <= int(text) <= LARGEST_ADDRESS):
        raise UsageError(
            f"meter {planned.meter_id}: {text!r} is no address of a pager",
            advice="column address: its RIC or capcode, a number from 8 to 2097151 (FLEX: 4297068542)",
        )
    return int(text)


def _coding(formats: Iterable[MessageFormat]) -> Coding:
    """Return how pages are to be decoded: where all are sent alike, multimon-ng need not go by their function."""
    codings: set[Coding] = {made.on_air.coding for made in formats}
    return codings.pop() if len(codings) == 1 else "auto"


def _content(reception: Reception) -> _Content:
    if not isinstance(reception.content, _Content):
        raise TypeError("a reception of another ear")
    return reception.content


def _scale(made: MessageFormat) -> tuple[Decimal | None, Decimal]:
    """Return where the count of the first register starts again at 0 by its width, and its finest step."""
    one = Decimal(1)
    match made.reply_fields[made.reply_means.registers[0].field]:
        case DigitsField(length=int(length), decimals=places):
            return one.scaleb(length - places), one.scaleb(-places)
        case DecimalField(whole=int(whole), decimals=places, signed=False):
            return one.scaleb(whole), one.scaleb(-places)
        case DigitsField(decimals=places) | DecimalField(decimals=places):
            return None, one.scaleb(-places)
        case HexField(length=int(length)):
            return Decimal(16**length), one
        case _:
            return None, one

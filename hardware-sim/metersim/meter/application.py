"""Layer 7 of a simulated meter: who may read and write what, and the refusals that faults ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from drivers.c1219 import codec
from drivers.c1219.decade0 import ProcedureInitiate, ProcedureResponse
from drivers.errors import DataError
from drivers.psem.authentication import BLOCK
from drivers.psem.codes import ResponseCode
from drivers.psem.replies import IdentifyReply
from drivers.secret import Secret
from metersim.meter.bad_data import DATA_SETS, Spoiler
from metersim.meter.clock import MICROSECONDS
from metersim.meter.fault_values import GARBAGE
from metersim.meter.faults import Faults
from metersim.meter.keys import Keyring
from metersim.meter.model import Meter
from metersim.meter.procedures import Moment, Procedures
from metersim.meter.tables.image import Image

OPEN_TABLES = frozenset({0, 1, 5})  # readable without a password
_PADDING = b"\0 "
_WRITE_LEVEL = 2
_WRONG_SIZE_OCTETS = bytes(3)


@dataclass
class Application:
    """Implements `drivers.psem.meter.MeterHandler` over the tables of one meter.

    `true_us` and `seconds` give virtual time (microseconds since 1970) and the seconds of any monotonic clock.
    """

    meter: Meter
    image: Image
    faults: Faults
    true_us: Callable[[], int]
    seconds: Callable[[], float]
    skip: Callable[[int], None] = lambda _us: None  # lets virtual time jump ahead, in microseconds
    last_read: dict[int, int] = field(default_factory=dict)  # table → true time of its last snapshot
    stored: dict[int, bytearray] = field(default_factory=dict)  # tables besides those of the image that can be written
    forget_session: bool = False  # the fault `isss_after` wants the session dropped after this answer
    _level: int = 0
    _user_id: int = 0
    _wrong_passwords: int = 0
    _locked_until: float = 0.0
    _requests: int = 0
    _reads: int = 0
    _snapshots: dict[int, bytes] = field(default_factory=dict)
    _shifts: int = 0

    def __post_init__(self) -> None:
        self.keyring = Keyring(self.meter.scenario.psem, self.meter.seed)
        self._procedures = Procedures(self.meter, self.image.context, self.faults.procedures)
        self._spoiler = Spoiler(
            self.faults.bad_data,
            self.image.context,
            self.meter.seed,
            lambda number: self.image.octets(number, self.true_us()),
        )
        self._spoiler.check()

    def _refusal(self) -> ResponseCode | None:
        """What faults answer to any request, in place of the meter."""
        self._requests += 1
        if self._requests <= self.faults.busy:
            return ResponseCode.BSY
        if self.faults.isss_after is not None and self._requests == self.faults.isss_after + 1:
            self.forget_session = True
            return ResponseCode.ISSS
        return None

    def identify(self) -> IdentifyReply | ResponseCode:
        """Say which standard and edition."""
        psem = self.meter.scenario.psem
        if refusal := self._refusal():
            return refusal
        rest = bytes.fromhex(psem.features) + b"\0"
        return IdentifyReply(psem.standard, psem.version, psem.revision, self.keyring.features(), rest)

    def logon(self, user_id: int, user: bytes) -> ResponseCode:  # noqa: ARG002 - part of `MeterHandler`
        """Let anybody in; what they may do depends on the password."""
        if refusal := self._refusal():
            return refusal
        self._user_id = user_id
        return ResponseCode.OK

    def security(self, password: Secret) -> ResponseCode:
        """Raise the access level; after too many wrong passwords refuse the right one too, for a while."""
        if refusal := self._refusal():
            return refusal
        if self._is_locked:
            return ResponseCode.ERR
        given = password.reveal().rstrip(_PADDING)
        for known in self.meter.scenario.psem.passwords:
            if given == known.password.encode("ascii").rstrip(_PADDING):
                return self._let_in(known.level)
        return self._keep_out()

    def authenticate(self, body: Secret) -> bytes | ResponseCode:
        """Raise the access level for who knows a key, and prove that this meter does; a wrong one counts as above."""
        if refusal := self._refusal():
            return refusal
        if self.faults.wrong_proof:
            self._let_in(_WRITE_LEVEL)
            return body.reveal()[:1] + Random(f"{self.meter.seed}/proof").randbytes(BLOCK)
        found = self.keyring.judge(body.reveal())
        if self._is_locked:
            return ResponseCode.ERR
        if found is None:
            return self._keep_out()
        key, answer = found
        self._let_in(key.level)
        return answer

    @property
    def _is_locked(self) -> bool:
        return self.faults.wrong_password or self.seconds() < self._locked_until

    def _let_in(self, level: int) -> ResponseCode:
        self._level = level
        self._wrong_passwords = 0
        return ResponseCode.OK

    def _keep_out(self) -> ResponseCode:
        psem = self.meter.scenario.psem
        self._wrong_passwords += 1
        if psem.lockout and self._wrong_passwords >= psem.lockout:
            self._wrong_passwords = 0
            self._locked_until = self.seconds() + psem.lockout_s
        return ResponseCode.ERR

    def read_table(self, table: int, offset: int | None, count: int | None) -> bytes | ResponseCode:
        """Answer a full or an offset read. A table is not torn by reading it in parts: those come from one snapshot."""
        layout = self.meter.scenario.layout
        if offset is not None and layout.access not in ("offset", "any"):
            return self._refusal() or ResponseCode.SNS
        if refusal := self._may_read(table):
            return refusal
        octets = self._octets(table, fresh=not offset)
        if octets is None:
            return ResponseCode.IAR
        if offset is None or table in self.faults.bad_data.zero_length:
            return octets
        end = offset + (count or 0)
        if not count or offset >= len(octets) or (end > len(octets) and layout.past_end == "refuse"):
            return ResponseCode.IAR
        return octets[offset:end]

    def read_index(self, table: int, indices: tuple[int, ...], count: int) -> bytes | ResponseCode:
        """Answer a read by index: blocks of a profile data set, no more."""
        if self.meter.scenario.layout.access not in ("index", "any"):
            return self._refusal() or ResponseCode.SNS
        if refusal := self._may_read(table):
            return refusal
        octets = self._octets(table, fresh=True)
        memory = self.meter.memories.get(table - 63) if table in DATA_SETS else None
        if octets is None or memory is None or len(indices) != 1:
            return ResponseCode.IAR
        size = len(octets) // memory.layout.blocks
        begin, end = indices[0] * size, (indices[0] + count) * size
        return octets[begin:end] if begin < end <= len(octets) else ResponseCode.IAR

    def read_default(self) -> bytes | ResponseCode:
        """Give the one table of the default set, where the meter has one (ST00 DEFAULT_SET_USED)."""
        table = self.meter.scenario.layout.default_table
        return (self._refusal() or ResponseCode.SNS) if table is None else self.read_table(table, None, None)

    def write_table(self, table: int, offset: int | None, data: bytes) -> ResponseCode:
        """Only ST07 and `stored` tables can be written, with the second level of access; ST07 only whole."""
        refusal = self._refusal() or (ResponseCode.ISC if self._level < _WRITE_LEVEL else None)
        if refusal is not None:
            return refusal
        if table in self.stored:
            return self._store(self.stored[table], offset or 0, data)
        if table != 7 or offset is not None:
            return ResponseCode.IAR
        try:
            request = codec.decode(7, data, self.image.context).table
        except DataError:
            return ResponseCode.IAR
        if not isinstance(request, ProcedureInitiate):
            return ResponseCode.IAR
        self._procedures.write(request, Moment(self.true_us(), self._user_id))
        self.forget_session, self._procedures.restart = self._procedures.restart, False
        return ResponseCode.OK

    def _store(self, octets: bytearray, offset: int, data: bytes) -> ResponseCode:
        if offset + len(data) > len(octets):
            return ResponseCode.IAR
        octets[offset : offset + len(data)] = data
        return ResponseCode.OK

    def write_index(self, table: int, indices: tuple[int, ...], data: bytes) -> ResponseCode:  # noqa: ARG002
        """Nothing can be written by index."""
        return self._refusal() or ResponseCode.SNS

    def logged_off(self) -> None:
        """Take the access level back."""
        self._level = 0
        self._user_id = 0
        self._snapshots.clear()

    def _may_read(self, table: int) -> ResponseCode | None:
        if refusal := self._refusal():
            return refusal
        self._reads += 1
        if self._reads <= self.faults.dnr:
            return ResponseCode.DNR
        if refusal := self._table_fault(table):
            return refusal
        if table not in self.image.tables and table not in self.stored:
            return ResponseCode.IAR
        if table not in OPEN_TABLES and self._level < self.meter.scenario.psem.read_level:
            return ResponseCode.ISC
        return None

    def _table_fault(self, table: int) -> ResponseCode | None:
        if self.faults.one_bad_table.get(table, GARBAGE) != GARBAGE:
            return ResponseCode.ERR  # the line puts the odd code in its place
        return self.faults.refuse.get(table)

    def _octets(self, table: int, *, fresh: bool) -> bytes | None:
        """The table as this client is shown it; profile data are always live."""
        if not fresh and table in self._snapshots and table not in DATA_SETS:
            return self._snapshots[table]
        now = self.true_us()
        if table == ProcedureResponse.number:
            self.image.response = self._procedures.read()
        octets = bytes(self.stored[table]) if table in self.stored else self.image.octets(table, now)
        if octets is None:
            return None
        self.last_read[table] = now
        octets = self._spoiler.spoil(table, octets)
        if table in self.faults.one_bad_table:
            octets = Random(f"{self.meter.seed}/{table}").randbytes(len(octets))
        if table in self.faults.truncate:
            left = self.faults.truncate[table]
            octets = octets[: len(octets) // 2 if left is None else left]
        if table in self.faults.wrong_size:
            octets += _WRONG_SIZE_OCTETS
        self._snapshots[table] = octets
        if table in DATA_SETS and self._shifts < self.faults.shifting_profile:
            self._shifts += 1
            self.skip(self.meter.memories[table - DATA_SETS.start + 1].length * MICROSECONDS)
        return octets

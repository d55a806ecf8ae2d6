"""The registers of a Modbus reading made again from the recording of its visit, and explained from their octets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from agent.document import meter_part
from agent.explained import Explained
from agent.reading import Reading
from agent.rederive import Evidence
from agent.side_by_side import Difference, Twin, brief, plain_of, register_twins
from drivers.c1219.exact import to_decimal
from drivers.c1219.explain import Derivation, Unexplained
from drivers.data import Register
from drivers.decimal_text import plain
from drivers.modbus.explain import explain_register
from drivers.modbus.meaning import meter_data
from drivers.modbus.overheard import retell
from drivers.modbus.schema import RegisterMap
from drivers.modbus.survey import Survey


@dataclass(frozen=True, slots=True)
class Retaken:
    """A Modbus visit again, from its recording, beside the document."""

    survey: Survey
    registers: list[Twin]
    meter: Twin

    def all(self) -> list[Explained]:
        """Explain every register of the document, in its order."""
        return [self.explained(twin) for twin in self.registers]

    def explained(self, twin: Twin) -> Explained:
        """Explain one register: its steps, and in what the document differs from them."""
        differences = twin.differences()
        derivation = Derivation(())
        try:
            derivation = self._derived(twin)
        except Unexplained as error:
            differences.append(Difference(twin.path, brief(twin.document), f"cannot be derived: {error.message}"))
        derived = "" if derivation.value is None else plain(to_decimal(derivation.value))
        said = twin.document.get("value")
        if derived and derived != said:
            differences.append(Difference(f"{twin.path}.value", brief(said), derived))
        return Explained(f"{twin.path}.value", brief(said), derived, derivation, tuple(differences))

    def _derived(self, twin: Twin) -> Derivation:
        if not isinstance(twin.origin, Register):
            raise Unexplained("the recording has no such register")
        return explain_register(self.survey, twin.origin)


def retaken(reading: Reading, evidence: Evidence, one: RegisterMap, zone: tzinfo | None) -> Retaken:
    """Carry out the visit again on its recording. Raises `DataError` where that holds none with this map."""
    survey = retell(evidence.session(), one)
    data = meter_data(survey, zone=zone)
    sha256 = reading.recording.sha256 if reading.recording is not None else None
    derived = plain_of(meter_part(data))
    said = {key: value for key, value in plain_of(reading.meter).items() if key in derived}
    return Retaken(
        survey, register_twins("registers", reading.registers, data.registers, sha256), Twin("meter", said, derived)
    )

"""Every declared table, by number."""

from __future__ import annotations

from drivers.c1219 import decade0, decade1, decade2, decade5, decade6, decade7
from drivers.c1219.record import Table

_DECLARED: tuple[type[Table], ...] = (
    decade0.GeneralConfiguration,
    decade0.ManufacturerIdentification,
    decade0.Nameplate,
    decade0.ModeStatus,
    decade0.DeviceIdentification,
    decade0.UtilityInformation,
    decade0.ProcedureInitiate,
    decade0.ProcedureResponse,
    decade1.SourcesDimensions,
    decade1.SourcesLimits,
    decade1.UnitsOfMeasure,
    decade1.DemandControl,
    decade1.DataControl,
    decade1.Constants,
    decade1.Sources,
    decade2.RegistersDimensions,
    decade2.RegistersLimits,
    decade2.DataSelection,
    decade2.CurrentRegisters,
    decade2.PreviousSeason,
    decade2.PreviousReset,
    decade2.SelfReads,
    decade2.PresentSelection,
    decade2.PresentRegisters,
    decade5.TimeDimensions,
    decade5.TimeLimits,
    decade5.Clock,
    decade5.TimeOffset,
    decade5.Calendar,
    decade5.ClockState,
    decade5.TimeRemaining,
    decade6.ProfileDimensions,
    decade6.ProfileLimits,
    decade6.ProfileControl,
    decade6.ProfileStatus,
    decade7.LogDimensions,
    decade7.LogLimits,
    decade7.EventIdentification,
    decade7.HistoryLogControl,
    decade7.HistoryLog,
    decade7.EventLogControl,
    decade7.EventLog,
)

#: Table class by number; ST64–ST67 are `profile_data.ProfileData`, which has its own codec.
TABLES = {kind.number: kind for kind in _DECLARED}

"""Decades 0 and 1 of a simulated meter: who it is, what it measures, how its numbers are scaled."""

from __future__ import annotations

from drivers.c1219.decade0 import (
    DeviceIdentification,
    GeneralConfiguration,
    ManufacturerIdentification,
    ModeStatus,
    Nameplate,
    UtilityInformation,
)
from drivers.c1219.decade1 import (
    Constant,
    Constants,
    ConstantSet,
    DataControl,
    DemandControl,
    DemandInterval,
    SourceFlags,
    Sources,
    SourcesLimits,
    UnitOfMeasure,
    UnitsOfMeasure,
)
from drivers.c1219.record import Table
from metersim.meter.model import Meter
from metersim.meter.procedure_set import procedures_of
from metersim.meter.quantity import ID_CODE, MULTIPLIER, SEGMENTATION, TIME_BASE, Scaling
from metersim.meter.scenario import NI_CODE

_ACCESS = {"full": 0, "offset": 1, "index": 2, "any": 3}


def general_configuration(meter: Meter, tables: frozenset[int]) -> GeneralConfiguration:
    """ST00; `tables` are the numbers of all the tables that the meter has."""
    layout, identity = meter.scenario.layout, meter.scenario.identity
    new = layout.edition == 2008
    return GeneralConfiguration(
        data_order=int(layout.data_order == "msb"),
        tm_format=layout.time_format,
        data_access_method=_ACCESS[layout.access],
        id_form=int(layout.id_form == "bcd"),
        ni_format1=NI_CODE[layout.ni_format1],
        ni_format2=NI_CODE[layout.ni_format2],
        device_class=bytes.fromhex(identity.device_class) if new else identity.manufacturer.ljust(4).encode("ascii"),
        default_set_used=int(layout.default_table is not None),
        max_proc_parm_length=16,
        max_resp_data_len=16,
        std_version_no=2 if new else 1,
        dim_std_tbls_used=max(tables) // 8 + 1,
        dim_std_proc_used=2,
        dim_mfg_status_used=layout.manufacturer_status,
        std_tbls_used=tables,
        std_proc_used=procedures_of(meter.scenario),
        std_tbls_write=frozenset({7}),
    )


def identity_tables(meter: Meter) -> list[Table]:
    """ST01, ST02, ST05 and ST06."""
    identity, plate = meter.scenario.identity, meter.scenario.nameplate
    in_st06 = meter.scenario.quirks.meter_id_at == "st06"
    serial = identity.serial_number or identity.meter_id
    hardware, firmware = ([int(part) for part in text.split(".")] for text in (identity.hardware, identity.firmware))
    tables: list[Table] = [
        ManufacturerIdentification(
            manufacturer=identity.manufacturer,
            ed_model=identity.model,
            hw_version_number=hardware[0],
            hw_revision_number=hardware[1],
            fw_version_number=firmware[0],
            fw_revision_number=firmware[1],
            mfg_serial_number=serial,
        ),
        DeviceIdentification(identification=serial if in_st06 else meter.meter_id),
    ]
    if plate is not None:
        tables.append(
            Nameplate(
                e_kh=plate.kh,
                e_kt=plate.kt,
                e_input_scalar=plate.input_scalar,
                e_ed_config=plate.form,
                e_freq=plate.frequency,
                e_no_of_elements=plate.elements,
                e_base_type=plate.base_type,
                e_accuracy_class=plate.accuracy_class,
                elements_volts=plate.element_volts,
                ed_supply_volts=plate.supply_volts,
                e_class_max_amps=plate.class_max_amps,
                e_ta=plate.test_amps,
            )
        )
    if identity.utility is not None:
        texts = {**identity.utility, **({"device_id": meter.meter_id} if in_st06 else {})}
        tables.append(UtilityInformation(**texts))  # type: ignore[arg-type]
    return tables


def mode_status(meter: Meter) -> ModeStatus:
    """ST03."""
    status = meter.scenario.status
    flags: dict[str, bool] = dict.fromkeys(meter.flags, True)
    vendor = "" if meter.done.manufacturer_flags_cleared else status.manufacturer
    number = int.from_bytes(bytes.fromhex(vendor), "little")
    return ModeStatus(
        test=meter.mode == "test",
        meter_shop=meter.mode == "meter_shop",
        ed_mfg_status=frozenset(bit for bit in range(number.bit_length()) if number >> bit & 1),
        **flags,
    )


def source_tables(meter: Meter) -> list[Table]:
    """ST11 to ST16. Only the sources that need an entry have their flag set, so a reader has to count."""
    scalings = list(meter.scalings.values())
    demands = [s for s in scalings if s.source.time_base == "demand"]
    turning = [s for s in scalings if s.source.load]
    constants = [s for s in scalings if s.source.multiplier is not None]
    loads = [load.name for load in meter.scenario.loads]
    minutes = meter.scenario.registers.demand_interval_min
    limits = SourcesLimits(
        block_demand=bool(demands),
        set1_present=any(s.source.ct is not None for s in constants),
        nbr_uom_entries=len(scalings),
        nbr_demand_ctrl_entries=len(demands),
        data_ctrl_length=1,
        nbr_data_ctrl_entries=len(turning),
        nbr_constants_entries=len(constants),
        nbr_sources=len(scalings),
    )
    return [
        limits,
        UnitsOfMeasure(entries=tuple(_unit(scaling) for scaling in scalings)),
        DemandControl(intervals=tuple(DemandInterval(int_length=minutes) for _ in demands)),
        DataControl(source_ids=tuple(bytes([loads.index(s.source.load)]) for s in turning)),
        Constants(
            entries=tuple(
                _constant(scaling, set1=limits.set1_present, offset=not meter.scenario.quirks.no_offset)
                for scaling in constants
            )
        ),
        Sources(sources=tuple(_flags(scaling) for scaling in scalings)),
    ]


def _unit(scaling: Scaling) -> UnitOfMeasure:
    source = scaling.source
    return UnitOfMeasure(
        id_code=ID_CODE[source.quantity],
        time_base=TIME_BASE[source.time_base],
        multiplier=MULTIPLIER[source.prefix],
        q1=1 in scaling.quadrants,
        q2=2 in scaling.quadrants,
        q3=3 in scaling.quadrants,
        q4=4 in scaling.quadrants,
        net_flow=source.direction == "net",
        segmentation=SEGMENTATION[source.phase],
    )


def _constant(scaling: Scaling, *, set1: bool, offset: bool) -> Constant:
    source = scaling.source
    ratios = ConstantSet(
        set_applied=source.ct is None or source.ratios_applied,
        ratio_f1=1 if source.ct is None else source.ct,
        ratio_p1=source.vt,
    )
    return Constant(
        multiplier=scaling.programmed if scaling.programmed is not None else source.multiplier,
        offset=source.offset if offset else None,
        set1=ratios if set1 else None,
    )


def _flags(scaling: Scaling) -> SourceFlags:
    source = scaling.source
    to_apply = source.multiplier is not None and not source.constants_applied
    return SourceFlags(
        uom_entry=True,
        demand_ctrl=source.time_base == "demand",
        data_ctrl=bool(source.load),
        constants=source.multiplier is not None,
        pulse_engr=not to_apply,
        constant_to_be_applied=to_apply,
    )

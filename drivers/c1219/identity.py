"""Who the meter says it is: ST05, ST06, ST01, ST00 and ST02."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.c1219.context import Context
from drivers.c1219.decade0 import DeviceIdentification, ManufacturerIdentification, Nameplate, UtilityInformation
from drivers.data import Identity

_BASES = ("", "S", "A", "K", "IEC", "switchboard", "rack", "B", "P")
_FREQUENCIES = ("", "DC", "25 Hz", "50 Hz", "60 Hz", "50/60 Hz", "400 Hz", "16.67 Hz")
_VOLTS = ("", "69.3", "72", "120", "208", "240", "277", "480", "120-277", "120-480")
_UTILITY_FIELDS = (
    "owner_name",
    "utility_div",
    "service_point_id",
    "elec_addr",
    "device_id",
    "util_ser_no",
    "customer_id",
    "tariff_id",
    "ex1_sw_vendor",
    "ex2_sw_vendor",
    "programmer_name",
    "misc_id",
)
_ID_FIELDS = frozenset({"service_point_id", "elec_addr", "device_id", "util_ser_no", "customer_id"})


def identity_of(context: Context) -> Identity:
    """Return the meter's identity. `meter_id` is ST05; blank or unread, ST06 DEVICE_ID; then ST01's serial number.

    The quirk `meter_id_at` moves another table to the front. Ids lose blanks, and BCD ids their leading zeros, which
    are padding. Characters that cannot be printed read as `\\xNN`. Fields of tables that were not read are empty.
    """
    ids = dict(_ids(context))
    first = context.quirks.meter_id_at
    order = (first, *(place for place in ("st05", "st06", "st01") if place != first))
    maker = context.find(ManufacturerIdentification)
    return Identity(
        meter_id=next((ids[place] for place in order if ids.get(place)), ""),
        manufacturer=_printable(maker.manufacturer) if maker else "",
        model=_printable(maker.ed_model) if maker else "",
        serial_number=ids.get("st01", ""),
        hardware_version=f"{maker.hw_version_number}.{maker.hw_revision_number}" if maker else "",
        firmware_version=f"{maker.fw_version_number}.{maker.fw_revision_number}" if maker else "",
        device_class=_device_class(context),
        utility=dict(_utility(context)),
        nameplate=dict(_nameplate(context)),
    )


def _ids(context: Context) -> Iterator[tuple[str, str]]:
    device, utility = context.find(DeviceIdentification), context.find(UtilityInformation)
    maker = context.find(ManufacturerIdentification)
    if device is not None:
        yield "st05", _identifier(context, device.identification)
    if utility is not None:
        yield "st06", _identifier(context, utility.device_id)
    if maker is not None:
        yield "st01", _identifier(context, maker.mfg_serial_number)


def _identifier(context: Context, text: str) -> str:
    if context.st00.id_form:
        return text.lstrip("0") or text[-1:]
    return _printable(text)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def _device_class(context: Context) -> str:
    if 0 not in context:
        return ""
    octets = context.st00.device_class
    if context.st00.std_version_no > 1:
        return octets.hex().upper()
    return _printable(octets.decode("latin-1").strip(" \0"))


def _utility(context: Context) -> Iterator[tuple[str, str]]:
    table = context.find(UtilityInformation)
    for name in _UTILITY_FIELDS if table is not None else ():
        raw = getattr(table, name)
        text = _identifier(context, raw) if name in _ID_FIELDS else _printable(raw)
        if text:
            yield name, text


def _nameplate(context: Context) -> Iterator[tuple[str, str]]:
    table = context.find(Nameplate)
    if table is None:
        return
    fields = {
        "kh": table.e_kh,
        "kt": table.e_kt,
        "input_scalar": str(table.e_input_scalar),
        "form": table.e_ed_config,
        "frequency": _FREQUENCIES[table.e_freq],
        "elements": str(table.e_no_of_elements or ""),
        "base": _BASES[table.e_base_type] if table.e_base_type < len(_BASES) else "",
        "volts": _VOLTS[table.elements_volts] if table.elements_volts < len(_VOLTS) else "",
        "class_max_amps": table.e_class_max_amps,
        "test_amps": table.e_ta,
    }
    for name, text in fields.items():
        if text:
            yield name, _printable(text)

"""The box itself: power, the clock that runs without it, and memory that a crash wrote to the disk."""

from __future__ import annotations

from collections.abc import Iterator

from agent.doctor.finding import Remark, fault, ok, skipped, warning
from agent.doctor.patient import Patient

THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"  # Raspberry Pi
UNDER_VOLTAGE_NOW, UNDER_VOLTAGE_SINCE_BOOT, THROTTLED_NOW = 1 << 0, 1 << 16, 1 << 2
TOO_HOT = 85_000  # thousandths of a degree Celsius: a Raspberry Pi throttles from there
SUPPLY = "a supply of 5.1 V and 3 A with a short thick cable; no probe or dongle on an unpowered hub"


def power(patient: Patient) -> Iterator[Remark]:
    """Is the supply good? Too low a voltage resets USB probes, and corrupts SD cards."""
    throttled = _throttled(patient)
    alarm = any(
        patient.text(name) == "rpi_volt" and patient.text(name.with_name("in0_lcrit_alarm")) == "1"
        for name in sorted((patient.root / "sys/class/hwmon").glob("*/name"))
    )
    degrees = patient.text("sys/class/thermal/thermal_zone0/temp")
    hot = degrees is not None and degrees.isdigit() and int(degrees) >= TOO_HOT
    if alarm or (throttled or 0) & UNDER_VOLTAGE_NOW:
        yield fault("the supply voltage is too low now: probes will drop out, and the SD card is in danger", SUPPLY)
    elif (throttled or 0) & UNDER_VOLTAGE_SINCE_BOOT:
        yield warning("the supply voltage was too low at some time since the box was switched on", SUPPLY)
    if hot:
        yield warning(
            f"the processor has {int(degrees or 0) // 1000} °C and slows down", "shade, a heat sink, or a fan"
        )
    elif (throttled or 0) & THROTTLED_NOW:
        yield warning("the processor is slowed down", "it is too hot, or its supply too weak")
    if throttled is None and degrees is None and not alarm:
        yield skipped("this box does not tell of its supply")
    elif not (alarm or hot or throttled):
        yield ok("supply and temperature are as they should be")


def _throttled(patient: Patient) -> int | None:
    found = patient.text(THROTTLED)
    try:
        return None if found is None else int(found, 16)
    except ValueError:
        return None


def battery_clock(patient: Patient) -> Iterator[Remark]:
    """Does a clock run on while the power is off? Without one the time is not known until a source answers."""
    settings = patient.config.settings
    clocks = [path.name for path in sorted((patient.root / "sys/class/rtc").glob("rtc*"))]
    if clocks:
        yield ok(f"a battery clock is there ({clocks[0]})")
    elif "gnss" in settings.clock.asked:
        yield ok("no battery clock; the satellite receiver tells the time after a power cut")
    elif settings.meters and all(meter.cumulative_without_clock for meter in settings.meters):
        yield ok("no battery clock; cumulative registers are taken before the time is known")
    else:
        yield warning(
            "this box has no battery clock: after a power cut no meter is read until a source of time answers",
            "a DS3231 module (dtoverlay=i2c-rtc,ds3231), a satellite receiver, or `cumulative_without_clock = true`",
        )


def core_dumps(patient: Patient) -> Iterator[Remark]:
    """Has memory, with the passwords in it, become a file? The agent forbids it for itself; other tools may not."""
    kept = sorted((patient.root / "var/lib/systemd/coredump").glob("core.*mrsp*"))
    kept += [path for path in sorted(patient.config.state_directory.glob("core*")) if path.is_file()]
    if kept:
        yield warning(
            f"{kept[0]} may hold meter passwords and the device key",
            f"`shred -u {kept[0]}`, and LimitCORE=0 in the unit",
        )
    else:
        yield ok("no core dump of the agent is here")

"""The enumerations of the standard that several fields share, in words (C12.19 §GEN_CONFIG, §NAMEPLATE, §CALENDAR)."""

from __future__ import annotations

from drivers.c1219.event_names import EVENT_NAMES
from drivers.c1219.wording import Words, words

DATA_ORDERS = words("least significant octet first", "most significant octet first")
CHAR_FORMATS = words("", "ISO 646", "ISO 8859-1", "UTF-8", "UTF-16", "UTF-32")
MODELS = words("sources are indices into ST16")
TM_FORMATS = words("no times", "BCD", "binary octets", "minutes since 1970", "seconds since 1970")
ACCESS_METHODS = words("full reads only", "full and offset", "full and index", "full, offset and index")
ID_FORMS = words("characters", "BCD")
INT_FORMATS = words("two's complement", "one's complement", "sign and magnitude")
NI_FORMATS = words(
    "FLOAT64",
    "FLOAT32",
    "FLOAT_CHAR12",
    "FLOAT_CHAR6",
    "INT32 with four implied decimals",
    "BCD6",
    "BCD4",
    "INT24",
    "INT32",
    "INT40",
    "INT48",
    "INT64",
    "BCD8",
    "FLOAT_CHAR21",
)
NAMEPLATES = words("gas", "water", "electric")
DEFAULT_SETS = words(
    "none", "simple register", "simple demand register", "simple time-of-use register", "simple profile recorder"
)
EDITIONS = words("1996 draft", "1997", "2008")

FREQUENCIES = words("none", "DC", "25 Hz", "50 Hz", "60 Hz", "50/60 Hz", "400 Hz", "16.67 Hz")
BASE_TYPES = words("none", "S", "A", "K", "IEC", "switchboard", "rack", "B", "P")
ELEMENT_VOLTS = words("none", "69.3 V", "72 V", "120 V", "208 V", "240 V", "277 V", "480 V", "120-277 V", "120-480 V")

SELECTORS = words("post the result", "post only exceptions", "do not post", "post at once and on completion")
RESULTS = words(
    "done",
    "accepted, not complete",
    "invalid parameter",
    "conflicts with the set-up",
    "timing constraint",
    "no authority",
    "unknown procedure",
)
EVENT_CODES = words("at an absolute time", "at a relative time")

CONSTANTS_SELECTORS = words("gas AGA3", "gas AGA7", "electric")
SET_APPLIED = words("still to be applied", "already applied")
PULSE_ENGR = words("pulses", "engineering units")
CONSTANT_TO_BE_APPLIED = words("ST15 is in the value already", "ST15 is still to be applied")
QUANTITIES = Words(
    dict(
        enumerate(
            (
                "active power",
                "reactive power",
                "apparent power",
                "phasor power",
                "quantity Q(60)",
                "quantity Q(45)",
                "phasor reactive power",
                "distortion volt-amperes",
                "RMS volts",
                "average volts",
                "RMS volts squared",
                "instantaneous volts",
                "RMS amps",
                "average amps",
                "RMS amps squared",
                "instantaneous amps",
                "THD V (IEEE)",
                "THD I (IEEE)",
                "THD V (IC)",
                "THD I (IC)",
                "phase angle V-VA",
                "phase angle Vx-Vy",
                "phase angle I-VA",
                "phase angle Ix-Iy",
                "power factor, apparent",
                "power factor, phasor",
                "average power factor",
            )
        )
    )
    | {29: "time of day", 30: "date", 31: "time of day and date", 32: "interval timer", 33: "frequency"}
    | {34: "counter", 35: "sense input", 36: "pulse output, form A", 37: "pulse output, form B"}
    | {38: "pulse output, form C", 39: "zero-flow duration", 40: "voltage sag", 41: "voltage swell"}
    | {42: "power outage", 43: "voltage excursion low", 44: "voltage excursion high", 45: "normal voltage level"}
    | {46: "phase unbalance", 47: "THD excess V", 48: "THD excess I", 49: "power outage of the device"}
    | {50: "power outages", 51: "demand resets", 52: "times programmed", 53: "minutes on battery"}
)
TIME_BASES = words(
    "bulk quantity",
    "instantaneous",
    "period based",
    "sub-block average demand",
    "block average demand",
    "net bulk quantity of an interval",
    "thermal demand",
    "event count",
)
MULTIPLIERS = words("10^0", "10^2", "10^3", "10^6", "10^9", "10^-2", "10^-3", "10^-6")
NET_FLOW = words("absolute: the chosen quadrants added", "net: delivered minus received")
SEGMENTATIONS = words("not by phase", "A-B", "B-C", "C-A", "neutral", "A", "B", "C")
HARMONICS = words("whole signal", "harmonic part")

SELF_READ_COUPLING = words(
    "apart", "self read at every demand reset", "demand reset at every self read", "both at either"
)

WEEKDAYS = words("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
DAYS_OF_WEEK = Words({**WEEKDAYS.by_number, 7: "unknown"})
TIER_DRIVES = Words(
    {0: "by the calendar", 1: "not by the calendar", 2: "not by the calendar", 3: "not by the calendar"}
)
SPECIAL_SCHEDULES = Words({15: "none"})
CALENDAR_CONTROLS = Words(
    {0: "none", 1: "daylight saving on", 2: "daylight saving off", 31: "end of list"}
    | {code: f"season {code - 3}" for code in range(3, 19)}
    | {code: f"special schedule {code - 19}" for code in range(19, 31)}
)

INTERVAL_FORMATS = Words(
    {1: "UINT8", 2: "UINT16", 4: "UINT32", 8: "INT8", 16: "INT16", 32: "INT32", 64: "NI_FMAT1", 128: "NI_FMAT2"}
)
EVENTS = words(*EVENT_NAMES)
USERS = Words({0: "the meter itself", 1: "by hand"})
BIT_RATES = words("fixed by the device", "in ST92", "in ST93 and ST95")
CALL_STATES = words(
    "none",
    "in progress",
    "dialling",
    "waiting for connection",
    "communicating",
    "completed",
    "not completed",
    "busy",
    "no dial tone",
    "line cut",
    "no connection",
    "no modem response",
)

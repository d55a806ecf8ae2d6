"""Simulated Hayes modems, telephone lines, and meters behind numbers. `running_bank` is the way in for tests."""

from metersim.modem.bank import Bank, running_bank
from metersim.modem.exchange import Exchange, Network
from metersim.modem.faults import CallFaults, parse_call_faults
from metersim.modem.settings import ModemModel
from metersim.modem.site import Site, SitePlan
from metersim.modem.terminal import Terminal
from metersim.modem.window import AnswerWindow, parse_window

__all__ = [
    "AnswerWindow",
    "Bank",
    "CallFaults",
    "Exchange",
    "ModemModel",
    "Network",
    "Site",
    "SitePlan",
    "Terminal",
    "parse_call_faults",
    "parse_window",
    "running_bank",
]

"""Modbus meters: register maps as data, a visit that asks in blocks, and pymodbus for the line.

Importing this loads no Modbus library; the driver does that when a line is opened.
"""

from __future__ import annotations

from drivers.modbus.address import ModbusAddress, line_key, parse_address
from drivers.modbus.library import Maps, load_maps
from drivers.modbus.schema import RegisterMap

__all__ = ["Maps", "ModbusAddress", "RegisterMap", "line_key", "load_maps", "parse_address"]

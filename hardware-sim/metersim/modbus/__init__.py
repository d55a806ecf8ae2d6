"""Simulated Modbus meters: a real pymodbus server that holds a register map with values that are known."""

"""Meters that speak Modbus, read by register maps. Importing this loads nothing: the agent asks for addresses alone."""

"""Simulated meters and servers to test against; not for a gateway."""

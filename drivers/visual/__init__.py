"""Readings by a person: what the display and the nameplate show, as typed, with photographs as evidence."""

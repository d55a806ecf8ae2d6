"""Bytes in and out: serial, TCP, recording and replay.

Importing this loads no serial library; `open_transport` does that when a serial line is opened.
"""

from drivers.transport.base import Transport
from drivers.transport.opening import open_transport
from drivers.transport.recording import RecordingTransport, start_recording
from drivers.transport.urls import LineAddress, fastest_baud, parse_url

__all__ = [
    "LineAddress",
    "RecordingTransport",
    "Transport",
    "fastest_baud",
    "open_transport",
    "parse_url",
    "start_recording",
]

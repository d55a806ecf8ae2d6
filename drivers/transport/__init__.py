"""Bytes in and out: serial, TCP, recording and replay."""

"""Backup and restore of an agent, and the taking over of one that is gone: everything in one encrypted file."""

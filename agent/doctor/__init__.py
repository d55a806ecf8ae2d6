"""`mrsp doctor`: the commonest faults of a box, found and told with what to do about them.

Each check looks, and changes nothing: no meter is talked to, no port is opened, no password is sent.
"""

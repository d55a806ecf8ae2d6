"""The way to the MDSP: `over_mqtt` puts it together, `forwarder` drives it, `file` is the way without a network.

Nothing is imported here: a configuration needs `settings` alone, and a read needs none of it.
"""

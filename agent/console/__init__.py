"""The field console: pages and a JSON API on top of the agent, for the person at the meter and in the van.

Only `settings` and `extra` load without the extra `console`; nothing here is loaded unless `[console]` is configured.
"""

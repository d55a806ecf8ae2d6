"""Requests from the MDSP: `message` reads one, `judging` decides, `store` remembers, `handler` carries out and answers.

Nothing is imported here: a configuration needs `settings` alone.
"""

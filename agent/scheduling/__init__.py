"""When each meter is read, by which line, how often it is tried again, and when that is given up.

The core (`cycle`, `window`, `retry`, `queue`, `numbers`, `agenda`) is pure: now comes in, what is to be done comes out.
`store` keeps what became of each due time, `scheduler` does what the core says.
"""

"""One-way telemetry: meters that send by themselves are heard, matched with a read plan, confirmed and delivered.

plan       which meters, what they send, how their counts are billed
reception  what every technology comes down to, and the `Ear` that it implements: `radio`, `pager`
pace       how far a count can have moved between two moments
hearing    one meter in one run: which receptions agree, and whether that is enough
board      all meters of the plan, and the foreign ones, in bounded memory
delivery   from confirmed receptions to the reading document
run        an ear, a plan and a clock put together; `fixed` does it for ever, as a part of the service
"""

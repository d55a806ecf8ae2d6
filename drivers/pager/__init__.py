"""Meters that are reached by paging: WCTP and SNPP through a carrier, POCSAG and FLEX off the air."""

"""A paging carrier to test against: a strict WCTP gateway, an SNPP terminal, and meters with pagers behind both."""

"""Accuracy tests of meters on a bench or at the site: plans, limits, figures, verdicts, and the report of a test."""

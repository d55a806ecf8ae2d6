"""Walking routes: the orders of one day for a person on foot, and what became of each."""

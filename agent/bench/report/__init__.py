"""The report of a meter test: the document, and how it is shown to people and to spreadsheets."""

"""The HTML report: gathered from the tables as plain data, laid out as one self-contained page."""

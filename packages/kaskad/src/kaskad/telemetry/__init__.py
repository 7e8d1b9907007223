"""Figures and logs: no numbers, no codes, no query strings in either."""

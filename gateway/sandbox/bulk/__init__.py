"""Bulk jobs (API page 5): rows of one object, out or in, many at once."""

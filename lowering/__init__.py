"""Passes, one per file, the file named as the pass."""

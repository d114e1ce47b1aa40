"""The graph dialect, one file per op family."""

"""The dialects of every level, one per file."""

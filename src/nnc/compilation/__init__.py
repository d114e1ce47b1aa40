"""From what was recorded to programs that run: made once for each structure, and kept."""

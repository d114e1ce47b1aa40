"""One file per kernel algorithm."""

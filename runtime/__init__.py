"""Compile, load and call generated programs."""

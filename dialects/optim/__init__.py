"""Optimizers: one op for each update of a parameter."""

"""`NDArray`: a handle on a value that is computed when somebody looks."""

"""The functions of `nnc.nd`, a file for each kind."""

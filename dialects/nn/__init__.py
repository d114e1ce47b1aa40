"""The graph dialect: tensors, values, no memory. One file per op family."""

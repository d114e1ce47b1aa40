"""From loops to C and CUDA text."""

"""Networks and programs as boxes, which `nnc.visualization` draws."""

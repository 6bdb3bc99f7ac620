"""The peers of the training benchmark: their environments, the material all are given, and the programs that run them."""

"""What an engine may keep weights in. Knows no engine."""

FLOAT32, INT8 = "float32", "int8"
WEIGHTS = (FLOAT32, INT8)

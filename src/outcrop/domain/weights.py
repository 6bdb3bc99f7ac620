"""What an engine may keep weights in. Knows no engine."""

FLOAT32, BF16, INT8 = "float32", "bf16", "int8"
WEIGHTS = (FLOAT32, BF16, INT8)

"""Batch inference: claimed jobs whose records are asked one by one, and kept until the end. Knows no gradient."""

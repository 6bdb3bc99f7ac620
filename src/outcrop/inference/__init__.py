"""The embedded engine: continuous batching over a checkpoint, with adapters, behind one HTTP face.

Started as `python -m outcrop.inference --checkpoint DIR --socket PATH`. Knows no Bedrock, no database and no key.
"""

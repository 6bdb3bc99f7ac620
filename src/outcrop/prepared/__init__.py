"""Token rows made ready before training: sealed pieces, an index, and a manifest that says that all are there.

Written by the worker, read by the training child: the one place that both know. Knows nothing of records, of
tokenizers, or of where keys come from.
"""

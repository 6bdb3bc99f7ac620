"""Tokens without torch: tokenizer, chat template, trained-token mask, token rows.

One mask for preview, validation, training and serving. Knows nothing of families, files of rows, or keys.
"""

from outcrop.text.rendered import Rendered
from outcrop.text.rows import RowsSummary, TokenRows, read_rows, write_rows
from outcrop.text.stream import TokenStream
from outcrop.text.tokenizer import Tokenizer

__all__ = ["Rendered", "RowsSummary", "TokenRows", "TokenStream", "Tokenizer", "read_rows", "write_rows"]

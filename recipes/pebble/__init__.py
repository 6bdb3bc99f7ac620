"""What the first text pebble is made of: sources, exercises, tokenizer, schedule. Run `recipes/pebble_text.py`."""

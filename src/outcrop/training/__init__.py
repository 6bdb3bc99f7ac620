"""Plan in, adapter out: token rows, one loop, events, a sealed model. Knows no jobs' rows, buckets, text or HTTP."""

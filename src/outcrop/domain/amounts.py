"""Amounts as people say them. Knows nothing of what is counted."""

MOST_SECONDS, MOST_MINUTES = 100, 100  # beyond, the next unit reads better


def duration(seconds: float) -> str:
    """A time: `8 s`, `3 min`, `2 h 05 min`."""
    if seconds < MOST_SECONDS:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < MOST_MINUTES else f"{minutes // 60} h {minutes % 60:02} min"


def gigabytes(size: float) -> str:
    """A size in bytes: `1.8 GB`."""
    return f"{size / 1e9:,.1f} GB"

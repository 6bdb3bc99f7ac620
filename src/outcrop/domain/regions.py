"""Regions: what the name of one looks like, and which counts where none is said.

Knows no list: AWS's grows, and every one is served here.
"""

import re

DEFAULT = "us-east-1"  # of AWS's own clients' making, too: S3's oldest requests name none and mean it
# A geography, one or two words for where in it, a number: us-east-1, us-gov-west-1, ap-southeast-2.
_NAME = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,2}-[0-9]{1,2}")


def is_region(text: str) -> bool:
    """Whether a text could name a Region."""
    return _NAME.fullmatch(text) is not None

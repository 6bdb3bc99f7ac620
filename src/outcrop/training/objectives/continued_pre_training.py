"""Continued pre-training on unlabeled text: every token is learnt that has one before it."""

import numpy as np

from outcrop.domain.errors import JobFailure
from outcrop.training.batches import Rows, named
from outcrop.training.objective import Objective, learnt_tokens, next_token_loss


def every_token(rows: Rows, name: str) -> Rows:
    """The rows, where all of each is learnt. Raises JobFailure where a mask leaves text out: that is labeled data."""
    rows.require_trained(name)
    masked = np.flatnonzero(rows.counts < rows.lengths - 1)
    if len(masked):
        raise JobFailure(
            f"{len(masked)} of the {len(rows)} {name} rows leave text out of what is learnt ({named(masked)}): "
            "continued pre-training learns all of it."
        )
    return rows


OBJECTIVE = Objective(require=every_token, loss=next_token_loss, weight=learnt_tokens)

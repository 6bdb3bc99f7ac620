"""Fine-tuning on labeled data: the answers are learnt, as the rows' mask says, and nothing of the prompts."""

from outcrop.training.objective import Objective, learnt_tokens, next_token_loss, some_token_a_row

OBJECTIVE = Objective(require=some_token_a_row, loss=next_token_loss, weight=learnt_tokens)

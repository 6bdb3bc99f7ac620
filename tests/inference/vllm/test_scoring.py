"""A place's scores from what vLLM says of the one token that it was made to choose there."""

from outcrop.inference.asking import Scored
from outcrop.inference.vllm.scoring import scored


def said(own: float, **top: float) -> dict[str, object]:
    named = {name.replace("t", "token_id:"): value for name, value in top.items()}
    return {"token_logprobs": [own], "top_logprobs": [named]}


def test_the_token_there_comes_first_and_the_likeliest_in_order() -> None:
    found = scored(7, said(-2.0, t7=-2.0, t3=-0.5, t9=-1.0), likeliest=2)
    assert found == (Scored(7, -2.0, 3), Scored(3, -0.5, 1), Scored(9, -1.0, 2))


def test_a_token_that_is_itself_likely_is_said_once() -> None:
    found = scored(3, said(-0.5, t3=-0.5, t9=-1.0, t7=-2.0), likeliest=2)
    assert found == (Scored(3, -0.5, 1), Scored(9, -1.0, 2))


def test_nothing_but_the_token_there_where_no_others_were_asked_for() -> None:
    assert scored(7, {"token_logprobs": [-2.0], "top_logprobs": [None]}, likeliest=0) == (Scored(7, -2.0, 1),)

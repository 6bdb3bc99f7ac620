"""What the tests of the families share."""

import pytest

from outcrop.domain.errors import ValidationException
from outcrop.families import MODELS, Answer

NOVA = MODELS["amazon.nova-lite-v1:0"]
CLAUDE = MODELS["anthropic.claude-haiku-4-5-20251001"]
LLAMA = MODELS["meta.llama3-1-8b-instruct-v1:0"]
TITAN = MODELS["amazon.titan-text-lite-v1"]
METRICS = {"inputTokenCount": 3, "outputTokenCount": 2, "invocationLatency": 9, "firstByteLatency": 4}


@pytest.fixture
def metrics():
    return METRICS


@pytest.fixture
def refusal():
    """The message of the ValidationException that a call raises."""

    def call(function, *arguments) -> str:
        with pytest.raises(ValidationException) as caught:
            function(*arguments)
        return caught.value.message

    return call


@pytest.fixture
def answered():
    """An answer of two words."""
    return Answer(text="two words", stop="end_turn", input_tokens=3, output_tokens=2)


@pytest.fixture
def cut_short():
    return Answer(text="two", stop="max_tokens", input_tokens=3, output_tokens=1)


@pytest.fixture
def stopped():
    return Answer(text="two", stop="stop_sequence", stop_sequence="###", input_tokens=3, output_tokens=1)

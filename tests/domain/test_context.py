import pytest

from outcrop.domain.context import DEFAULT_TOKENS, context_tokens


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"max_position_embeddings": 4096}, 4096),
        ({"n_positions": 1024}, 1024),
        ({"max_seq_len": 512, "max_position_embeddings": None}, 512),
        ({"seq_length": 300}, 300),
        ({"text_config": {"max_position_embeddings": 77}}, 77),
        ({"max_position_embeddings": "many", "text_config": None}, DEFAULT_TOKENS),
        ({}, DEFAULT_TOKENS),
    ],
)
def test_architectures_call_it_by_different_names(config: dict[str, object], tokens: int) -> None:
    assert context_tokens(config) == tokens

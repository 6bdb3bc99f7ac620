"""The dialect is what its decision record says it is."""

from pathlib import Path

import msgspec
import pytest

from outcrop.inference import dialect

RECORD = Path(__file__).parents[2] / "docs/decisions/0009-engine-dialect.md"
SHAPES = (
    dialect.CompletionAsked,
    dialect.ChatAsked,
    dialect.TokenizeAsked,
    dialect.LoadAsked,
    dialect.UnloadAsked,
    dialect.EvictableAsked,
    dialect.SharesAsked,
    dialect.StreamOptions,
)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_member_is_in_the_record(shape: type[msgspec.Struct]) -> None:
    record = RECORD.read_text()
    assert [name for name in shape.__struct_fields__ if f"`{name}`" not in record] == []


def test_a_missing_seed_is_given_one_and_room_bounds_the_answer() -> None:
    asked = dialect.CompletionAsked(prompt="x", max_tokens=50, stop=["", "a"], top_k=-1)
    sampling = asked.sampling(room=20, seed=7)
    assert (sampling.max_tokens, sampling.seed, sampling.stop, sampling.top_k) == (20, 7, ("a",), 0)
    assert dialect.CompletionAsked(prompt="x").sampling(room=20, seed=7).max_tokens == 20

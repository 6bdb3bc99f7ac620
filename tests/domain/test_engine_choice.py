"""What stands after `--engine` is an engine, for all bases or for one, or is refused with what would be right."""

import pytest

from outcrop.domain.engine_choice import EMBEDDED, VLLM, engine_choice
from outcrop.domain.errors import SettingsError

LLAMA = "meta.llama3-2-1b-instruct-v1:0"
URL = "http://gpu-7:8000"
BAD_ADDRESSES = ["http://[::1:8000", "http://gpu-7:eight", "http://gpu-7:65536", "http://gpu-7:0"]
SECRETS = ["http://me:secret@gpu-7", "http://gpu-7?key=secret", "http://gpu-7#secret"]
SECRETS_NOWHERE = ["me:secret@gpu-7", "ftp://me:secret@gpu-7", "http://me:secret@[::1", "me:secret=x@gpu-7"]


def test_nothing_said_is_the_embedded_engine_for_all() -> None:
    choice = engine_choice([])
    assert (choice.usual, dict(choice.by_model), choice.starts_vllm, choice.urls) == (EMBEDDED, {}, False, [])


def test_a_base_may_have_an_engine_of_its_own_and_the_later_word_counts() -> None:
    choice = engine_choice([f"{LLAMA}={URL}/v", VLLM, f"{LLAMA}={URL}"])
    assert (choice.usual, dict(choice.by_model)) == (VLLM, {LLAMA: URL})
    assert choice.starts_vllm and choice.urls == [URL]


def test_a_url_alone_may_have_an_equals_sign() -> None:
    assert engine_choice(["http://gpu-7:8000/a=b"]).usual == "http://gpu-7:8000/a=b"


@pytest.mark.parametrize(
    "word", ["vlm", "gpu-7:8000", f"{LLAMA}=", "ftp://gpu-7", "http://", "unix:/run/x.sock", *BAD_ADDRESSES]
)
def test_what_is_no_engine_is_refused_with_what_would_be_one(word: str) -> None:
    with pytest.raises(SettingsError, match="say embedded, vllm or the URL of a vLLM server"):
        engine_choice([word])


@pytest.mark.parametrize("url", [*SECRETS, *SECRETS_NOWHERE])
def test_a_secret_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="OUTCROP_VLLM_KEY") as refused:
        engine_choice([url])
    assert "secret" not in str(refused.value)

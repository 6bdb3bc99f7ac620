"""Meta Llama 3.1, 3.2 and 3.3. Knows nothing of checkpoints."""

from collections.abc import Mapping
from typing import Any

from outcrop.families.ask import Answer, Ask, Sampling, with_trailer
from outcrop.families.body import Body
from outcrop.families.hyperparameters import Hyperparameter, Hyperparameters
from outcrop.families.model import CustomizationType, FoundationModel
from outcrop.families.record_format import Counts, RecordFormat

# Llama 3.2 90B takes shorter records than its siblings.
_SHORT_RECORDS = "meta.llama3-2-90b-instruct-v1:0"

TABLE = (
    Hyperparameter(
        name="epochCount",
        kind="int",
        minimum=1,
        maximum=10,
        default=5,
        sentence="How often training sees every record.",
    ),
    Hyperparameter(
        name="batchSize",
        kind="int",
        minimum=1,
        maximum=1,
        default=1,
        sentence="How many records make one step.",
    ),
    Hyperparameter(
        name="learningRate",
        kind="float",
        minimum=5e-6,
        maximum=0.1,
        default=1e-4,
        sentence="How far a step moves the weights.",
    ),
)

_SIZES = {"3-1": ("8b", "70b"), "3-2": ("1b", "3b", "11b", "90b"), "3-3": ("70b",)}


def _models() -> tuple[FoundationModel, ...]:
    found: list[FoundationModel] = []
    for generation, size in ((generation, size) for generation, sizes in _SIZES.items() for size in sizes):
        model_id = f"meta.llama{generation}-{size}-instruct-v1:0"
        version = generation.replace("-", ".")
        model = FoundationModel(
            model_id=model_id,
            base_id=model_id,
            name=f"Llama {version} {size.upper()} Instruct",
            short_name=f"Llama{version} {size.upper()}",
            provider="Meta",
            family="llama",
            context_tokens=128_000,
        )
        found += [model, model.with_context(f"{model_id}:128k", 128_000)]
    return tuple(found)


class Llama:
    """The family of `meta.llama3-*`."""

    name = "llama"
    models = _models()

    def hyperparameters(
        self, model: FoundationModel, customization_type: CustomizationType
    ) -> tuple[Hyperparameter, ...]:
        """3.1's and 3.2's table, for 3.3 as well."""
        return TABLE

    def typed(self, values: Mapping[str, Any], stated: dict[str, str]) -> Hyperparameters:
        """Llama warms up over no steps."""
        return Hyperparameters(
            epoch_count=values["epochCount"],
            batch_size=values["batchSize"],
            learning_rate=values["learningRate"],
            stated=stated,
        )

    def record_format(
        self, model: FoundationModel, customization_type: CustomizationType, batch_size: int
    ) -> RecordFormat:
        """Prompt and completion for 3.1, converse records from 3.2 on; 100 to 10 000 in all."""
        completions = model.base_id.startswith("meta.llama3-1-")
        return RecordFormat(
            kind="completion" if completions else "converse",
            whose=model.name,
            training=Counts(maximum=10_000),
            validation=Counts(maximum=1_000),
            total=Counts(minimum=100, maximum=10_000),
            tokens_per_record=10_000 if model.base_id == _SHORT_RECORDS else 16_000,
            characters_per_token=6 if completions else None,
            strict_turns=False,
            one_system_text=True,
            schema_version="bedrock-conversation-2024",
        )

    def parse_invoke(self, body: dict[str, Any], model: FoundationModel) -> Ask:
        """A raw prompt: nothing is added to it but the beginning-of-text token."""
        top = Body.of(body)
        top.only("prompt", "max_gen_len", "temperature", "top_p", "images", "outcrop.seed")
        top.not_carried_out("images")
        temperature, top_p = top.number("temperature", 0, 1), top.number("top_p", 0, 1)
        sampling = Sampling(
            max_tokens=top.integer("max_gen_len", 1, 2048) or 512,
            temperature=0.5 if temperature is None else temperature,
            top_p=0.9 if top_p is None else top_p,
            seed=top.integer("outcrop.seed", 0, 2**31 - 1),
        )
        return Ask(raw_prompt=top.text("prompt"), sampling=sampling)

    def answer(self, answer: Answer, model: FoundationModel, message_id: str) -> dict[str, Any]:
        """Four flat members."""
        return {
            "generation": answer.text,
            "prompt_token_count": answer.input_tokens,
            "generation_token_count": answer.output_tokens,
            "stop_reason": _stop_reason(answer),
        }

    def stream(self, model: FoundationModel, message_id: str) -> "LlamaStream":
        """The same four members in every chunk."""
        return LlamaStream()


class LlamaStream:
    """The first chunk counts the prompt, every chunk what was said so far, the last says why it stopped."""

    def start(self, input_tokens: int) -> list[dict[str, Any]]:
        """The prompt's tokens."""
        return [_chunk("", prompt_token_count=input_tokens, generation_token_count=0)]

    def delta(self, text: str, output_tokens: int) -> list[dict[str, Any]]:
        """A piece of text, and the count so far."""
        return [_chunk(text, generation_token_count=output_tokens)]

    def end(self, answer: Answer, metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The count of all tokens and the reason."""
        last = _chunk("", generation_token_count=answer.output_tokens, stop_reason=_stop_reason(answer))
        return [with_trailer(last, metrics)]


def _chunk(text: str, **known: int | str) -> dict[str, Any]:
    empty = {"prompt_token_count": None, "generation_token_count": None, "stop_reason": None}
    return {"generation": text, **empty, **known}


def _stop_reason(answer: Answer) -> str:
    return "length" if answer.stop == "max_tokens" else "stop"

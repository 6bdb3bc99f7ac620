"""Amazon Nova: Micro, Lite, Pro and 2 Lite. Knows nothing of checkpoints."""

from collections.abc import Mapping
from typing import Any

from outcrop.domain.conversation import Message
from outcrop.families.ask import Answer, Ask, Sampling, with_trailer
from outcrop.families.body import Body
from outcrop.families.hyperparameters import Hyperparameter, Hyperparameters
from outcrop.families.model import CustomizationType, FoundationModel
from outcrop.families.record_format import Counts, RecordFormat
from outcrop.families.turns import ask_of, role_of, text_blocks

# Its documents leave the default open; this is what the other families use.
DEFAULT_MAX_TOKENS = 512
RESERVED = ("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]")

TABLE = (
    Hyperparameter(
        name="epochCount", kind="int", minimum=1, maximum=5, default=2, sentence="How often training sees every record."
    ),
    Hyperparameter(
        name="learningRate",
        kind="float",
        minimum=1e-6,
        maximum=1e-4,
        default=1e-5,
        sentence="How far a step moves the weights.",
    ),
    Hyperparameter(
        name="learningRateWarmupSteps",
        kind="int",
        minimum=0,
        maximum=100,
        default=10,
        sentence="Steps over which the learning rate rises to its value.",
    ),
    Hyperparameter(
        name="batchSize",
        kind="int",
        minimum=1,
        maximum=1,
        default=None,
        sentence="Not in Nova's table, but published notebooks send it: 1 is accepted.",
    ),
)


def _models() -> tuple[FoundationModel, ...]:
    found: list[FoundationModel] = []
    for name, slug, thousands in (
        ("Micro", "nova-micro", 128),
        ("Lite", "nova-lite", 300),
        ("Pro", "nova-pro", 300),
        ("2 Lite", "nova-2-lite", 256),
    ):
        model_id = f"amazon.{slug}-v1:0"
        model = FoundationModel(
            model_id=model_id,
            base_id=model_id,
            name=f"Nova {name}",
            short_name=f"Nova {name}",
            provider="Amazon",
            family="nova",
            context_tokens=thousands * 1000,
        )
        found += [model, model.with_context(f"{model_id}:{thousands}k", thousands * 1000)]
    return tuple(found)


class Nova:
    """The family of `amazon.nova-*`."""

    name = "nova"
    models = _models()

    def hyperparameters(
        self, model: FoundationModel, customization_type: CustomizationType
    ) -> tuple[Hyperparameter, ...]:
        """One table for all of Nova."""
        return TABLE

    def typed(self, values: Mapping[str, Any], stated: dict[str, str]) -> Hyperparameters:
        """Nova has no batch size of its own: a step is one record."""
        return Hyperparameters(
            epoch_count=values["epochCount"],
            batch_size=values.get("batchSize", 1),
            learning_rate=values["learningRate"],
            warmup_steps=values["learningRateWarmupSteps"],
            stated=stated,
        )

    def record_format(
        self, model: FoundationModel, customization_type: CustomizationType, batch_size: int
    ) -> RecordFormat:
        """Converse records, 8 to 20 000 of them, without the words that Nova reserves."""
        counts = Counts(minimum=8, maximum=20_000)
        return RecordFormat(
            kind="converse",
            whose=model.name,
            training=counts,
            validation=counts,
            total=counts,
            tokens_per_record=32_000,
            reserved_in_prompts=RESERVED,
            empty_text_is_refused=True,
        )

    def parse_invoke(self, body: dict[str, Any], model: FoundationModel) -> Ask:
        """The `messages-v1` body; inferenceConfig's names in camel case or snake case."""
        top = Body.of(body)
        top.only("schemaVersion", "system", "messages", "inferenceConfig", "toolConfig", "outcrop.seed")
        top.not_carried_out("toolConfig")
        messages = [_message(Body.of(raw, f"messages.{at}")) for at, raw in enumerate(top.array("messages"))]
        system = text_blocks(top.array("system"), "system") if top.array("system") else None
        return ask_of(messages, system, _sampling(top, model))

    def answer(self, answer: Answer, model: FoundationModel, message_id: str) -> dict[str, Any]:
        """Nova's own body is Converse's but for the metrics."""
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": answer.text}]}},
            "stopReason": answer.stop,
            "usage": _usage(answer),
        }

    def stream(self, model: FoundationModel, message_id: str) -> "NovaStream":
        """Chunks of one key each."""
        return NovaStream()


class NovaStream:
    """messageStart, contentBlockDelta..., contentBlockStop, messageStop, metadata."""

    def start(self, input_tokens: int) -> list[dict[str, Any]]:
        """Who speaks."""
        return [{"messageStart": {"role": "assistant"}}]

    def delta(self, text: str, output_tokens: int) -> list[dict[str, Any]]:
        """A piece of the one block."""
        return [{"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}}]

    def end(self, answer: Answer, metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Why it stopped and what was used."""
        metadata = {"metadata": {"usage": _usage(answer), "metrics": {}, "trace": {}}}
        return [
            {"contentBlockStop": {"contentBlockIndex": 0}},
            {"messageStop": {"stopReason": answer.stop}},
            with_trailer(metadata, metrics),
        ]


def _message(body: Body) -> Message:
    content = body.required("content")
    blocks = content if isinstance(content, list) else [{"text": content}]
    return Message(role=role_of(body), text=text_blocks(blocks, body.path("content")))


def _sampling(top: Body, model: FoundationModel) -> Sampling:
    config = Body.of(top.get("inferenceConfig") or {}, "inferenceConfig")
    config.only(
        "maxTokens",
        "max_new_tokens",
        "temperature",
        "topP",
        "top_p",
        "topK",
        "top_k",
        "stopSequences",
        "stop_sequences",
    )
    max_tokens = _either(config.integer, config, ("maxTokens", "max_new_tokens"), (1, model.context_tokens))
    top_p = _either(config.number, config, ("topP", "top_p"), (0, 1))
    top_k = _either(config.integer, config, ("topK", "top_k"), (0, 128))
    temperature = config.number("temperature", 0, 1)
    return Sampling(
        max_tokens=DEFAULT_MAX_TOKENS if max_tokens is None else max_tokens,
        temperature=0.7 if temperature is None else temperature,
        top_p=0.9 if top_p is None else top_p,
        top_k=top_k or None,
        stop=config.texts("stopSequences") or config.texts("stop_sequences"),
        seed=top.integer("outcrop.seed", 0, 2**31 - 1),
    )


def _either(read: Any, config: Body, names: tuple[str, str], span: tuple[float, float]) -> Any:
    """The value under whichever of two names was sent."""
    return next((read(name, *span) for name in names if config.get(name) is not None), None)


def _usage(answer: Answer) -> dict[str, int]:
    return {
        "inputTokens": answer.input_tokens,
        "outputTokens": answer.output_tokens,
        "totalTokens": answer.input_tokens + answer.output_tokens,
    }

"""Anthropic Claude: 3 Haiku and Haiku 4.5. Knows nothing of checkpoints."""

from collections.abc import Mapping
from typing import Any

from outcrop.domain.conversation import Message
from outcrop.domain.plan import EarlyStopping
from outcrop.families.ask import Answer, Ask, Sampling, with_trailer
from outcrop.families.body import Body, as_text, wrong
from outcrop.families.hyperparameters import Hyperparameter, Hyperparameters
from outcrop.families.model import CustomizationType, FoundationModel
from outcrop.families.record_format import GIGABYTE, Counts, RecordFormat
from outcrop.families.turns import ask_of, joined_texts, role_of

# Claude's table multiplies a learning rate that it does not name. This is the rate that we multiply: LoRA's usual one.
BASE_LEARNING_RATE = 1e-4
VERSION = "bedrock-2023-05-31"
BANNED = ("\nHuman:", "\nAssistant:")

TABLE = (
    Hyperparameter(
        name="epochCount",
        kind="int",
        minimum=1,
        maximum=10,
        default=2,
        sentence="How often training sees every record.",
    ),
    Hyperparameter(
        name="batchSize", kind="int", minimum=4, maximum=256, default=32, sentence="How many records make one step."
    ),
    Hyperparameter(
        name="learningRateMultiplier",
        kind="float",
        minimum=0.1,
        maximum=2,
        default=1,
        sentence="Multiplies the model's base learning rate.",
    ),
    Hyperparameter(
        name="earlyStoppingThreshold",
        kind="float",
        minimum=0,
        maximum=0.1,
        default=0.001,
        sentence="How far validation loss must fall for an epoch to count as better.",
    ),
    Hyperparameter(
        name="earlyStoppingPatience",
        kind="int",
        minimum=1,
        maximum=10,
        default=2,
        sentence="Training ends after this many epochs that were not better; it needs a validation file.",
    ),
)


def _models() -> tuple[FoundationModel, ...]:
    haiku_3 = _model("Claude 3 Haiku", "Haiku 3", "anthropic.claude-3-haiku-20240307-v1:0")
    haiku_45 = _model("Claude Haiku 4.5", "Haiku 4.5", "anthropic.claude-haiku-4-5-20251001-v1:0")
    return (
        haiku_3,
        haiku_3.with_context(f"{haiku_3.model_id}:200k", 200_000),
        haiku_45,
        haiku_45.also("anthropic.claude-haiku-4-5-20251001"),
        haiku_45.with_context(f"{haiku_45.model_id}:200k", 200_000),
    )


def _model(name: str, short_name: str, model_id: str) -> FoundationModel:
    return FoundationModel(
        model_id=model_id,
        base_id=model_id,
        name=name,
        short_name=short_name,
        provider="Anthropic",
        family="claude",
        context_tokens=200_000,
    )


class Claude:
    """The family of `anthropic.claude-*`."""

    name = "claude"
    models = _models()

    def hyperparameters(
        self, model: FoundationModel, customization_type: CustomizationType
    ) -> tuple[Hyperparameter, ...]:
        """Claude 3 Haiku's table, for Haiku 4.5 as well."""
        return TABLE

    def typed(self, values: Mapping[str, Any], stated: dict[str, str]) -> Hyperparameters:
        """A multiplier in place of a rate."""
        return Hyperparameters(
            epoch_count=values["epochCount"],
            batch_size=values["batchSize"],
            learning_rate=values["learningRateMultiplier"],
            learning_rate_unit=BASE_LEARNING_RATE,
            early_stopping=EarlyStopping(
                threshold=values["earlyStoppingThreshold"], patience=values["earlyStoppingPatience"]
            ),
            stated=stated,
        )

    def record_format(
        self, model: FoundationModel, customization_type: CustomizationType, batch_size: int
    ) -> RecordFormat:
        """System and messages with plain strings; 32 records at least."""
        return RecordFormat(
            kind="claude",
            whose=model.name,
            training=Counts(minimum=32, maximum=10_000),
            validation=Counts(minimum=32, maximum=1_000),
            total=Counts(minimum=32, maximum=10_000),
            tokens_per_record=32_000,
            max_training_bytes=10 * GIGABYTE,
            max_validation_bytes=GIGABYTE,
            characters_per_token=3,
            characters_are_an_estimate=True,
            banned=BANNED,
        )

    def parse_invoke(self, body: dict[str, Any], model: FoundationModel) -> Ask:
        """The Messages body."""
        top = Body.of(body)
        top.only(
            *("anthropic_version", "anthropic_beta", "max_tokens", "messages", "system", "metadata", "temperature"),
            *("top_p", "top_k", "stop_sequences", "tools", "tool_choice", "thinking", "outcrop.seed"),
        )
        top.not_carried_out("tools", "tool_choice", "thinking")
        if top.text("anthropic_version") != VERSION:
            raise wrong("anthropic_version", f"must be {VERSION}")
        top.required("max_tokens")
        top.required("messages")
        messages = [_message(Body.of(raw, f"messages.{at}")) for at, raw in enumerate(top.array("messages"))]
        system = top.get("system")
        return ask_of(messages, _content(system, "system") if system else None, _sampling(top, model))

    def answer(self, answer: Answer, model: FoundationModel, message_id: str) -> dict[str, Any]:
        """A message."""
        usage = {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens}
        return {
            **_envelope(model, message_id),
            "content": [{"type": "text", "text": answer.text}],
            "stop_reason": answer.stop,
            "stop_sequence": answer.stop_sequence,
            "usage": usage,
        }

    def stream(self, model: FoundationModel, message_id: str) -> "ClaudeStream":
        """Chunks with a `type`."""
        return ClaudeStream(_envelope(model, message_id))


class ClaudeStream:
    """message_start, content_block_start, ping, deltas, content_block_stop, message_delta, message_stop."""

    def __init__(self, envelope: dict[str, Any]) -> None:
        self._envelope = envelope

    def start(self, input_tokens: int) -> list[dict[str, Any]]:
        """The empty message and its one block."""
        empty: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None}
        usage = {"input_tokens": input_tokens, "output_tokens": 0}
        return [
            {"type": "message_start", "message": {**self._envelope, **empty, "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
        ]

    def delta(self, text: str, output_tokens: int) -> list[dict[str, Any]]:
        """A piece of the one block."""
        return [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}]

    def end(self, answer: Answer, metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Why it stopped; the trailer sits in message_stop."""
        delta = {"stop_reason": answer.stop, "stop_sequence": answer.stop_sequence}
        return [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": answer.output_tokens}},
            with_trailer({"type": "message_stop"}, metrics),
        ]


def _message(body: Body) -> Message:
    body.only("role", "content")
    return Message(role=role_of(body), text=_content(body.required("content"), body.path("content")))


def _content(value: Any, where: str) -> str:
    """A plain string, or text blocks."""
    if isinstance(value, str):
        if not value.strip():
            raise wrong(where, "text content must be non-empty")
        return as_text(value, where)
    if not isinstance(value, list) or not value:
        raise wrong(where, "must be a text or a list of text blocks")
    return joined_texts([_block(Body.of(raw, f"{where}.{at}")) for at, raw in enumerate(value)])


def _block(block: Body) -> str:
    kind = block.text("type")
    if kind != "text":
        raise wrong(block.where, f"Outcrop carries out text blocks only, not {kind[:32]!r}")
    block.only("type", "text", "cache_control", "citations")
    return block.text("text")


def _sampling(top: Body, model: FoundationModel) -> Sampling:
    temperature, top_p = top.number("temperature", 0, 1), top.number("top_p", 0, 1)
    stop = top.texts("stop_sequences")
    if len(stop) > 8191:
        raise wrong("stop_sequences", "may hold at most 8191 texts")
    return Sampling(
        max_tokens=top.integer("max_tokens", 1, model.context_tokens) or 1,
        temperature=1.0 if temperature is None else temperature,
        top_p=0.999 if top_p is None else top_p,
        top_k=top.integer("top_k", 0, 500) or None,
        stop=stop,
        seed=top.integer("outcrop.seed", 0, 2**31 - 1),
    )


def _envelope(model: FoundationModel, message_id: str) -> dict[str, Any]:
    name = model.base_id.removeprefix("anthropic.").removesuffix("-v1:0")
    return {"id": f"msg_bdrk_{message_id}", "type": "message", "role": "assistant", "model": name}

"""Checkpoints that a user registers under an id of their own, with a body like OpenAI's. Knows no Bedrock family."""

from collections.abc import Mapping
from typing import Any

from outcrop.domain.conversation import Message
from outcrop.families.ask import Answer, Ask, Sampling, with_trailer
from outcrop.families.body import Body, as_text, wrong
from outcrop.families.hyperparameters import Hyperparameter, Hyperparameters
from outcrop.families.model import CONTINUED_PRE_TRAINING, FINE_TUNING, CustomizationType, FoundationModel
from outcrop.families.record_format import Counts, RecordFormat
from outcrop.families.turns import ask_of, role_of, text_blocks

DEFAULT_MAX_TOKENS = 512
MOST_RECORDS = 1_000_000

TABLE = (
    Hyperparameter(
        name="epochCount",
        kind="int",
        minimum=1,
        maximum=100,
        default=3,
        sentence="How often training sees every record.",
    ),
    Hyperparameter(
        name="batchSize", kind="int", minimum=1, maximum=1024, default=8, sentence="How many records make one step."
    ),
    Hyperparameter(
        name="learningRate",
        kind="float",
        minimum=0,
        maximum=1,
        default=1e-4,
        sentence="How far a step moves the weights.",
    ),
    Hyperparameter(
        name="learningRateWarmupSteps",
        kind="int",
        minimum=0,
        maximum=10_000,
        default=0,
        sentence="Steps over which the learning rate rises to its value.",
    ),
)


def registered(model_id: str, context_tokens: int) -> FoundationModel:
    """The model that a user's own id names."""
    return FoundationModel(
        model_id=model_id,
        base_id=model_id,
        name=model_id,
        short_name=model_id.rpartition(".")[2],
        provider="Registered",
        family="open",
        context_tokens=context_tokens,
        customizations=(FINE_TUNING, CONTINUED_PRE_TRAINING),
        inference_types=("ON_DEMAND", "PROVISIONED"),
    )


class Open:
    """The family of registered checkpoints."""

    name = "open"
    models: tuple[FoundationModel, ...] = ()

    def hyperparameters(
        self, model: FoundationModel, customization_type: CustomizationType
    ) -> tuple[Hyperparameter, ...]:
        """Outcrop's own table: wide."""
        return TABLE

    def typed(self, values: Mapping[str, Any], stated: dict[str, str]) -> Hyperparameters:
        """The names are the program's own but for their case."""
        return Hyperparameters(
            epoch_count=values["epochCount"],
            batch_size=values["batchSize"],
            learning_rate=values["learningRate"],
            warmup_steps=values["learningRateWarmupSteps"],
            stated=stated,
        )

    def record_format(
        self, model: FoundationModel, customization_type: CustomizationType, batch_size: int
    ) -> RecordFormat:
        """Converse records, or unlabeled text."""
        counts = Counts(maximum=MOST_RECORDS)
        return RecordFormat(
            kind="passage" if customization_type == CONTINUED_PRE_TRAINING else "converse",
            whose=model.name,
            training=counts,
            validation=counts,
            total=counts,
            tokens_per_record=model.context_tokens,
            strict_turns=False,
        )

    def parse_invoke(self, body: dict[str, Any], model: FoundationModel) -> Ask:
        """A chat (`messages`) or a raw `prompt`."""
        top = Body.of(body)
        top.only(
            *("model", "messages", "prompt", "max_tokens", "temperature", "top_p", "top_k", "stop", "seed", "stream"),
            *("tools", "tool_choice", "response_format", "outcrop.seed"),
        )
        top.not_carried_out("tools", "tool_choice", "response_format")
        if top.get("messages") is None:
            return Ask(raw_prompt=top.text("prompt"), sampling=_sampling(top, model))
        return _chat(top, _sampling(top, model))

    def answer(self, answer: Answer, model: FoundationModel, message_id: str) -> dict[str, Any]:
        """A chat completion, or a text completion where a raw prompt was asked."""
        said: dict[str, Any] = {"message": {"role": "assistant", "content": answer.text}}
        choice = {"index": 0, **({"text": answer.text} if answer.raw else said), "finish_reason": _finish(answer)}
        kind = "text_completion" if answer.raw else "chat.completion"
        return {**_envelope(kind, model, message_id), "choices": [choice], "usage": _usage(answer)}

    def stream(self, model: FoundationModel, message_id: str) -> "OpenStream":
        """chat.completion.chunk objects."""
        return OpenStream(_envelope("chat.completion.chunk", model, message_id))


class OpenStream:
    """A role first, then deltas, then the reason with the usage."""

    def __init__(self, envelope: dict[str, Any]) -> None:
        self._envelope = envelope

    def start(self, input_tokens: int) -> list[dict[str, Any]]:
        """Who speaks."""
        return [self._chunk({"role": "assistant", "content": ""}, None)]

    def delta(self, text: str, output_tokens: int) -> list[dict[str, Any]]:
        """A piece of text."""
        return [self._chunk({"content": text}, None)]

    def end(self, answer: Answer, metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The reason, and what was used."""
        return [with_trailer({**self._chunk({}, _finish(answer)), "usage": _usage(answer)}, metrics)]

    def _chunk(self, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        return {**self._envelope, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _chat(top: Body, sampling: Sampling) -> Ask:
    messages: list[Message] = []
    system: str | None = None
    for at, raw in enumerate(top.array("messages")):
        body = Body.of(raw, f"messages.{at}")
        if at == 0 and body.get("role") == "system":
            system = _content(body)
        else:
            messages.append(Message(role=role_of(body), text=_content(body)))
    return ask_of(messages, system, sampling)


def _content(body: Body) -> str:
    content = body.required("content")
    where = body.path("content")
    return text_blocks(content, where) if isinstance(content, list) else as_text(content, where)


def _sampling(top: Body, model: FoundationModel) -> Sampling:
    temperature, top_p = top.number("temperature", 0, 2), top.number("top_p", 0, 1)
    stop = top.get("stop")
    if stop is not None and not isinstance(stop, (str, list)):
        raise wrong("stop", "must be a text or a list of texts")
    seed = top.integer("seed", 0, 2**31 - 1)
    return Sampling(
        max_tokens=top.integer("max_tokens", 1, model.context_tokens) or DEFAULT_MAX_TOKENS,
        temperature=1.0 if temperature is None else temperature,
        top_p=1.0 if top_p is None else top_p,
        top_k=top.integer("top_k", 0, 1_000_000) or None,
        stop=Body({"stop": [stop]}).texts("stop") if isinstance(stop, str) else top.texts("stop"),
        seed=top.integer("outcrop.seed", 0, 2**31 - 1) if seed is None else seed,
    )


def _envelope(kind: str, model: FoundationModel, message_id: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{message_id}", "object": kind, "model": model.model_id}


def _finish(answer: Answer) -> str:
    return "length" if answer.stop == "max_tokens" else "stop"


def _usage(answer: Answer) -> dict[str, int]:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }

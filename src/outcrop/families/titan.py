"""Amazon Titan Text: Lite, Express and Premier. The one family with continued pre-training. Knows no checkpoints."""

from collections.abc import Mapping
from typing import Any

from outcrop.families.ask import Answer, Ask, Sampling, with_trailer
from outcrop.families.body import Body, wrong
from outcrop.families.hyperparameters import Hyperparameter, Hyperparameters, Number
from outcrop.families.model import CONTINUED_PRE_TRAINING, FINE_TUNING, CustomizationType, FoundationModel
from outcrop.families.record_format import GIGABYTE, MEGABYTE, Counts, RecordFormat

LITE, EXPRESS, PREMIER = "amazon.titan-text-lite-v1", "amazon.titan-text-express-v1", "amazon.titan-text-premier-v1:0"

_MAX_ANSWER = {LITE: 4096, EXPRESS: 8192, PREMIER: 3072}
# Records may be this long with the largest batch for which they may: beyond it, half.
_LONG_RECORDS, _LARGEST_BATCH = 4096, {LITE: 2, EXPRESS: 1, PREMIER: 1}
_STOPS = {"end_turn": "FINISHED", "max_tokens": "LENGTH", "stop_sequence": "STOP_CRITERIA_MET"}


def _table(epochs: int, batch: int, rate: tuple[float, float, float], warmup: int) -> tuple[Hyperparameter, ...]:
    """Titan's rows: the highest of each, and the learning rate's lowest, highest and default."""

    def row(name: str, span: tuple[Number, Number, Number], sentence: str) -> Hyperparameter:
        kind: Any = "float" if name == "learningRate" else "int"
        minimum, maximum, default = span
        return Hyperparameter(
            name=name, kind=kind, minimum=minimum, maximum=maximum, default=default, sentence=sentence
        )

    return (
        row("epochCount", (1, epochs, 2 if epochs == 5 else 5), "How often training sees every record."),
        row("batchSize", (1, batch, 1), "How many records make one step."),
        row("learningRate", rate, "How far a step moves the weights."),
        row("learningRateWarmupSteps", (0, warmup, 5), "Steps over which the learning rate rises to its value."),
    )


TABLE = _table(epochs=10, batch=64, rate=(0.0, 1, 1e-5), warmup=250)
PREMIER_TABLE = _table(epochs=5, batch=1, rate=(1e-7, 1e-5, 1e-6), warmup=20)


def _models() -> tuple[FoundationModel, ...]:
    lite = _model("Lite", LITE, 4096)
    express = _model("Express", EXPRESS, 8192)
    return (
        lite,
        lite.with_context(f"{LITE}:0:4k", 4096),
        express,
        express.with_context(f"{EXPRESS}:0:8k", 8192),
        _model("Premier", PREMIER, 32_000, (FINE_TUNING,)),
    )


def _model(
    name: str,
    model_id: str,
    context_tokens: int,
    customizations: tuple[CustomizationType, ...] = (FINE_TUNING, CONTINUED_PRE_TRAINING),
) -> FoundationModel:
    return FoundationModel(
        model_id=model_id,
        base_id=model_id,
        name=f"Titan Text G1 - {name}",
        short_name=f"Titan {name}",
        provider="Amazon",
        family="titan",
        context_tokens=context_tokens,
        customizations=customizations,
    )


class Titan:
    """The family of `amazon.titan-text-*`."""

    name = "titan"
    models = _models()

    def hyperparameters(
        self, model: FoundationModel, customization_type: CustomizationType
    ) -> tuple[Hyperparameter, ...]:
        """Premier has a narrower table."""
        return PREMIER_TABLE if model.base_id == PREMIER else TABLE

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
        """Prompt and completion, or unlabeled text; larger batches take shorter records."""
        unlabeled = customization_type == CONTINUED_PRE_TRAINING
        most = 100_000 if unlabeled else 20_000 if model.base_id == PREMIER else 10_000
        short = batch_size > _LARGEST_BATCH[model.base_id]
        return RecordFormat(
            kind="passage" if unlabeled else "completion",
            whose=model.name,
            training=Counts(maximum=most),
            validation=Counts(maximum=most),
            total=Counts(maximum=most),
            tokens_per_record=_LONG_RECORDS // 2 if short else _LONG_RECORDS,
            max_training_bytes=None if unlabeled else GIGABYTE,
            max_validation_bytes=None if unlabeled else 100 * MEGABYTE,
            characters_per_token=6,
            other_members_are_refused=unlabeled,
        )

    def parse_invoke(self, body: dict[str, Any], model: FoundationModel) -> Ask:
        """A raw prompt under `inputText`."""
        top = Body.of(body)
        top.only("inputText", "textGenerationConfig", "outcrop.seed")
        config = Body.of(top.get("textGenerationConfig") or {}, "textGenerationConfig")
        config.only("temperature", "topP", "maxTokenCount", "stopSequences")
        temperature, top_p = config.number("temperature", 0, 1), config.number("topP", 0, 1)
        if top_p == 0:
            raise wrong("textGenerationConfig.topP", "must be above 0 and at most 1")
        sampling = Sampling(
            max_tokens=config.integer("maxTokenCount", 1, _MAX_ANSWER[model.base_id]) or 512,
            temperature=0.7 if temperature is None else temperature,
            top_p=0.9 if top_p is None else top_p,
            stop=config.texts("stopSequences"),
            seed=top.integer("outcrop.seed", 0, 2**31 - 1),
        )
        return Ask(raw_prompt=top.text("inputText"), sampling=sampling)

    def answer(self, answer: Answer, model: FoundationModel, message_id: str) -> dict[str, Any]:
        """One result."""
        result = {
            "tokenCount": answer.output_tokens,
            "outputText": answer.text,
            "completionReason": _STOPS[answer.stop],
        }
        return {"inputTextTokenCount": answer.input_tokens, "results": [result]}

    def stream(self, model: FoundationModel, message_id: str) -> "TitanStream":
        """Chunks that look alike."""
        return TitanStream()


class TitanStream:
    """Every chunk has all members; counts and the reason come when they are known."""

    def __init__(self) -> None:
        self._input_tokens = 0

    def start(self, input_tokens: int) -> list[dict[str, Any]]:
        """Nothing goes out before the first text."""
        self._input_tokens = input_tokens
        return []

    def delta(self, text: str, output_tokens: int) -> list[dict[str, Any]]:
        """A piece of text."""
        return [self._chunk(text, None, None)]

    def end(self, answer: Answer, metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The count of all tokens and the reason."""
        return [with_trailer(self._chunk("", answer.output_tokens, _STOPS[answer.stop]), metrics)]

    def _chunk(self, text: str, output_tokens: int | None, reason: str | None) -> dict[str, Any]:
        return {
            "index": 0,
            "inputTextTokenCount": self._input_tokens,
            "totalOutputTextTokenCount": output_tokens,
            "outputText": text,
            "completionReason": reason,
        }

"""What a record asks, and what its line says: in the words of InvokeModel or of Converse. Knows no engine."""

import json
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from outcrop import wire
from outcrop.domain.errors import Fault, ValidationException
from outcrop.domain.names import new_id
from outcrop.families import Answer, Ask
from outcrop.services.runtime.converse import answered, asked, refuse_what_cannot_be_answered
from outcrop.services.runtime.served import Served


class Dialect(Protocol):
    """How one kind of `modelInput` is read and answered."""

    def asked(self, model_input: dict[str, Any]) -> Ask:
        """What is asked. Raises a Fault."""

    def answered(self, model_input: dict[str, Any], answer: Answer, latency_ms: int) -> dict[str, Any]:
        """The record's `modelOutput`."""


def dialect_of(invocation_type: str | None, served: Served) -> Dialect:
    """InvokeModel's where the job does not say."""
    return Conversed(served) if invocation_type == "Converse" else Invoked(served)


@dataclass(frozen=True, slots=True)
class Invoked:
    """Bodies of the model's family."""

    served: Served

    def asked(self, model_input: dict[str, Any]) -> Ask:
        """As InvokeModel reads a body."""
        try:
            return self.served.family.parse_invoke(model_input, self.served.model)
        except RecursionError as error:
            raise ValidationException("Malformed input request: the body is nested too deeply.") from error

    def answered(self, model_input: dict[str, Any], answer: Answer, latency_ms: int) -> dict[str, Any]:
        """As InvokeModel answers."""
        return self.served.family.answer(answer, self.served.model, new_id())


@dataclass(frozen=True, slots=True)
class Conversed:
    """Converse's members, held to the service's own model."""

    served: Served

    def asked(self, model_input: dict[str, Any]) -> Ask:
        """As Converse reads a request."""
        request = self._request(model_input)
        refuse_what_cannot_be_answered(request)
        return asked(self.served, request)

    def answered(self, model_input: dict[str, Any], answer: Answer, latency_ms: int) -> dict[str, Any]:
        """As Converse answers."""
        return answered(self.served, answer, model_input, latency_ms)

    def _request(self, model_input: dict[str, Any]) -> dict[str, Any]:
        path = f"/model/{quote(self.served.model.model_id, safe='')}/converse"
        match = wire.service("bedrock-runtime").match("POST", path, [], {})
        assert match is not None, "Converse has this path in the service's model"
        request = wire.parse(match.operation, match, [], {}, json.dumps(model_input).encode())
        wire.constrain(match.operation, request)
        return request


def answer_line(record_id: str, model_input: dict[str, Any], model_output: dict[str, Any]) -> bytes:
    """A line of the output."""
    return _line({"recordId": record_id, "modelInput": model_input, "modelOutput": model_output})


def error_line(record_id: str, model_input: dict[str, Any], fault: Fault) -> bytes:
    """A line of the output for a record that has no answer; the code is the status that a caller would have got."""
    status = wire.fault(wire.service("bedrock-runtime"), None, fault, "").status
    error = {"errorCode": status, "errorMessage": fault.message}
    return _line({"recordId": record_id, "modelInput": model_input, "error": error})


def _line(members: dict[str, Any]) -> bytes:
    try:
        return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can escape and UTF-8 cannot say
        return json.dumps(members, separators=(",", ":")).encode() + b"\n"

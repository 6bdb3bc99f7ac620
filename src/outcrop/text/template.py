"""A checkpoint's chat template, rendered as Hugging Face renders it: jinja2 in an immutable sandbox.

Knows nothing of tokens. The template comes with the checkpoint, so it is not trusted.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import CallBlock, Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from outcrop.domain.errors import CheckpointError

Messages = Sequence[Mapping[str, Any]]


class _Generation(Extension):
    """`{% generation %}...{% endgeneration %}` renders its body: we find what is learnt by other means."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return CallBlock(self.call_method("_as_is"), [], [], body).set_lineno(line)

    def _as_is(self, caller: Callable[[], str]) -> str:
        return caller()


class ChatTemplate:
    """One compiled template. `variables` are the checkpoint's special tokens by name (`bos_token`, ...)."""

    def __init__(self, source: str, variables: Mapping[str, str], clock: Callable[[], datetime]) -> None:
        self._variables = dict(variables)
        environment = _environment(clock)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise CheckpointError(f"the checkpoint's chat template does not parse: {error}") from error

    def render(self, messages: Messages, add_generation_prompt: bool) -> str:
        """The conversation as text. Raises CheckpointError where the template refuses it."""
        try:
            return self._template.render(
                messages=list(messages),
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self._variables,
            )
        except jinja2.TemplateError as error:
            raise CheckpointError(f"the checkpoint's chat template refuses this conversation: {error}") from error
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
            # A template is code: what it does wrong by itself has no more telling name than this.
            raise CheckpointError(f"the checkpoint's chat template failed ({type(error).__name__})") from error


def _environment(clock: Callable[[], datetime]) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: clock().strftime(form)
    return environment


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    """As Hugging Face does it: jinja's own filter would escape `<`, `>`, `&` and quotes for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)

"""Which operation a REST request asks for, from the paths that the models state. Knows nothing of bodies.

Paths are matched raw, segment by segment, because an ARN is one segment with %2F inside. Where several operations share
method and path (S3), the query decides, then what each of them requires.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from botocore.model import OperationModel

from outcrop.domain.errors import Fault
from outcrop.wire.message import Headers, Query
from outcrop.wire.shapes import location, wire_name

_ELSEWHERE = frozenset({"ListDirectoryBuckets", "WriteGetObjectResponse"})
"""Operations that S3 answers on hosts of their own: on ours, their paths mean something else."""

_PATHS_KEPT, _LONGEST_KEPT = 1024, 512
"""Who watches a job asks at the same path again and again: where it leads is found out once."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation's address: what the query must say, and what the request should bring."""

    operation: str
    labels: tuple[str, ...]
    literals: tuple[tuple[str, str | None], ...]
    queries: frozenset[str]
    headers: frozenset[str]

    def rank(self, query: dict[str, str], headers: Headers) -> tuple[int, int, int] | None:
        """How well this route fits, greater is better; None where the query lacks one of its literals."""
        for name, value in self.literals:
            if name not in query or (value is not None and query[name] != value):
                return None
        there = sum(name in query for name in self.queries) + sum(name in headers for name in self.headers)
        return len(self.literals), there, there - len(self.queries) - len(self.headers)


@dataclass(slots=True)
class _Node:
    """One place in the tree of paths."""

    literal: dict[str, "_Node"] = field(default_factory=dict)
    label: "_Node | None" = None
    greedy: dict[str, list[Route]] = field(default_factory=dict)
    routes: dict[str, list[Route]] = field(default_factory=dict)


class Router:
    """The paths of a service as a tree."""

    def __init__(self, operations: Iterable[OperationModel]) -> None:
        self._root = _Node()
        self._known_to_lead = lru_cache(maxsize=_PATHS_KEPT)(self._leads)
        for operation in operations:
            if operation.name not in _ELSEWHERE and not operation.deprecated:
                self._plant(operation)

    def find(self, method: str, raw_path: str, query: Query, headers: Headers) -> tuple[str, dict[str, str]] | None:
        """The operation's name and its labels' decoded texts."""
        leads = self._leads if len(raw_path) > _LONGEST_KEPT else self._known_to_lead
        routes, texts = leads(method, raw_path)
        plain = len(routes) == 1 and not routes[0].literals
        route = routes[0] if plain else _best(routes, dict(reversed(query)), headers)
        if route is None:
            return None
        return route.operation, dict(zip(route.labels, texts, strict=True))

    def _leads(self, method: str, raw_path: str) -> "_Found":
        """The operations at a path, none where it leads nowhere, and the decoded texts of their labels."""
        segments = raw_path.split("?", 1)[0].removeprefix("/").split("/")
        found = _descend(self._root, segments, 0, (), method)
        if found is None:
            return [], ()
        routes, texts = found
        return routes, tuple(map(_decoded, texts))

    def _plant(self, operation: OperationModel) -> None:
        path, _, literals = operation.http["requestUri"].partition("?")
        segments = [segment for segment in path.split("/") if segment]
        node, labels = self._root, []
        for segment in segments:
            if not segment.startswith("{"):
                node = node.literal.setdefault(segment, _Node())
                continue
            labels.append(segment.strip("{+}"))
            if segment.endswith("+}"):
                node.greedy.setdefault(operation.http["method"], []).append(_route(operation, labels, literals))
                return
            node.label = node.label or _Node()
            node = node.label
        node.routes.setdefault(operation.http["method"], []).append(_route(operation, labels, literals))


def _route(operation: OperationModel, labels: list[str], literals: str) -> Route:
    pairs = (pair.partition("=") for pair in literals.split("&") if pair)
    required = [] if operation.input_shape is None else operation.input_shape.required_members
    members = [(key, operation.input_shape.members[key]) for key in required]
    return Route(
        operation=operation.name,
        labels=tuple(labels),
        # `x-id` only tells a reader of logs which call it was; not every client sends it.
        literals=tuple((name, value if equals else None) for name, equals, value in pairs if name != "x-id"),
        queries=frozenset(wire_name(key, member) for key, member in members if location(member) == "querystring"),
        headers=frozenset(wire_name(key, member).lower() for key, member in members if location(member) == "header"),
    )


_Found = tuple[list[Route], tuple[str, ...]]


def _descend(node: _Node, segments: list[str], at: int, texts: tuple[str, ...], method: str) -> _Found | None:
    """Literal before label before greedy label; a closing slash says nothing."""
    if at == len(segments) or (at == len(segments) - 1 and not segments[at]):
        routes = node.routes.get(method)
        return None if routes is None else (routes, texts)
    segment = segments[at]
    if segment in node.literal and (found := _descend(node.literal[segment], segments, at + 1, texts, method)):
        return found
    if segment and node.label and (found := _descend(node.label, segments, at + 1, (*texts, segment), method)):
        return found
    routes = node.greedy.get(method)
    return None if routes is None else (routes, (*texts, "/".join(segments[at:])))


def _best(routes: list[Route], query: dict[str, str], headers: Headers) -> Route | None:
    ranked = [(rank, route) for route in routes if (rank := route.rank(query, headers)) is not None]
    return max(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        raise Fault("InvalidURI", "The path has a % that is not followed by two hexadecimal digits.")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise Fault("InvalidURI", "The path is not UTF-8.") from error

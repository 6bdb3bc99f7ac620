"""Rendering in several processes at once. Knows nothing of what becomes of the pieces, or of their order."""

import contextlib
import os
import queue
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from outcrop.domain.errors import JobFailure
from outcrop.text import Tokenizer
from outcrop.worker import children
from outcrop.worker.renderer import asked_of, receive, send
from outcrop.worker.rendering import Recipe, Stretch, render

# Below this a child's start (half a second) costs more than it saves.
CHILDREN_FROM_BYTES = 8 << 20
# Each holds the tokenizer, up to 300 MB of it; eight render 40 MB a second, faster than a disk need be.
MOST_RENDERERS = 8

Render = Callable[[Stretch], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who renders: as many as `count` processes, whose records and talk go where it says, or this one."""

    recipe: Recipe
    tokenizer: Tokenizer
    count: int
    records: Path
    log: Path
    children_from_bytes: int = CHILDREN_FROM_BYTES

    def hands(self, source_bytes: int) -> int:
        """How many render a source of that size."""
        return self.count if source_bytes >= self.children_from_bytes else 1

    @contextmanager
    def rendering(self, hands: int) -> Iterator[Render]:
        """A function from a stretch to its piece's bytes, to be called from `hands` threads at once.

        It raises JobFailure where a process ends, and what rendering raises. One hand alone is this process.
        """
        if hands > 1:
            with _children(self, hands) as ask:
                yield ask
        else:
            yield lambda stretch: render(stretch, self.recipe, self.tokenizer).to_bytes()


def cores() -> int:
    """The cores that this process may use, as many as renderers pay for."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MOST_RENDERERS)


@contextmanager
def _children(crew: Crew, count: int) -> Iterator[Render]:
    """Started and stopped by one thread: on Linux they die with it."""
    free: queue.SimpleQueue[_Renderer] = queue.SimpleQueue()
    with ExitStack() as stack:
        for _ in range(count):
            launch = children.Launch(module="outcrop.worker.renderer", arguments=[], log=crew.log, piped=True)
            renderer = _Renderer(children.start(launch, crew.records))
            stack.callback(renderer.stop)
            renderer.begin(crew.recipe)
            free.put(renderer)

        def ask(stretch: Stretch) -> bytes:
            renderer = free.get()
            try:
                return renderer.ask(stretch)
            finally:
                free.put(renderer)

        yield ask


@dataclass(frozen=True, slots=True)
class _Renderer:
    """One child and its pipes, used by one thread at a time."""

    child: children.Child

    def begin(self, recipe: Recipe) -> None:
        pipe = self.child.process.stdin
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):  # it died at birth: the first answer tells
            send(pipe, recipe.to_json())

    def ask(self, stretch: Stretch) -> bytes:
        process = self.child.process
        assert process.stdin is not None and process.stdout is not None
        try:
            send(process.stdin, asked_of(stretch))
            answer = receive(process.stdout)
        except (BrokenPipeError, ConnectionResetError):
            answer = None
        if answer is None:
            raise JobFailure(f"A process that rendered the data ended early ({self.child.ending()}).")
        return answer

    def stop(self) -> None:
        self.child.stop()
        for pipe in (self.child.process.stdin, self.child.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # what it was never to read
                pipe.close()

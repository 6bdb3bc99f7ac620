"""The models that one vLLM server holds for this engine: the base and adapters on it, by name. Knows no request.

vLLM keeps adapters in memory, the least recently used first to go, and reads one that went again from its folder: ours
are gone by then, and it would fail in the middle of a step. So no more are held here than it has places for, and each
is used now and then. It counts one that was unloaded among those it keeps: half of its places are for these.
"""

import contextlib
import secrets
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from outcrop.domain.errors import SettingsError
from outcrop.inference.scheduler import Answer
from outcrop.inference.shelf import BASE, About, Shelf
from outcrop.inference.vllm.peer import LOAD, MISSING, Peer, PeerLost, PeerRefused

KEPT = 128
"""Adapters that vLLM is told to keep (`--max-cpu-loras`)."""
HELD = KEPT // 2
NOT_THERE = "vLLM does not have a model that it was given"  # it is another process by now
WHOLE_WEIGHTS = "model.safetensors"
NO_LOADING = (
    f"The vLLM server has no {LOAD}: start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its "
    "environment."
)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A model by the name that vLLM has for it, which no other weights ever have."""

    name: str
    size_bytes: int = 0

    @property
    def about(self) -> About:
        """What is known of its weights."""
        return About(version=self.name, size_bytes=self.size_bytes)


def name_asked(answer: Answer) -> str:
    """What vLLM calls the model of an answer, which elsewhere is opaque."""
    assert isinstance(answer.model, Held), "the face takes models from this shelf"
    return answer.model.name


class _Shelf(Shelf[Held]):
    """Nothing is evicted here for its bytes, which are vLLM's to keep; what is removed is forgotten there, too."""

    def __init__(self, base: Held, forget: Callable[[str], None], changing: threading.Lock) -> None:
        """`changing`: held by whoever changes what vLLM holds."""
        super().__init__(base, most_bytes=sys.maxsize)
        self._forget = forget
        self._changing = changing

    def remove(self, name: str) -> bool:
        """Forget a name, here and in vLLM. False where it was not there."""
        with self._changing:
            known = self._held.get(name)
            removed = super().remove(name)
            if removed and known is not None:
                self._forget(known.name)
            return removed


class Adapters:
    """Models by name. Each load has a name of its own in vLLM, so that answers under way keep what they began with."""

    def __init__(self, peer: Peer, base: str, prefix: str, lost: Callable[[str], None]) -> None:
        """`base`: what vLLM calls the checkpoint. `prefix`: what all names begin with that are this engine's.

        `lost`: called where vLLM does not have what it was given.
        """
        self._peer = peer
        self._prefix = prefix
        self._lost = lost
        self._lock = threading.Lock()
        self.shelf = _Shelf(Held(base), self._forget, self._lock)
        self._loads_since_touched = 0

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter under a name; one already there is replaced. Raises SettingsError or PeerLost."""
        self.shelf.require_free(name)
        if (folder / WHOLE_WEIGHTS).exists():
            raise SettingsError(
                "vLLM serves custom models that are adapters; this one is weights of its own (outcrop.method full). "
                "Serve its base with the embedded engine."
            )
        with self._lock:
            self._require_place(name)
            fresh = Held(f"{self._prefix}{name}-{secrets.token_hex(4)}", _size_of(folder))
            self._hand_over(fresh.name, folder)
            old = self.shelf.find(name)
            self.shelf.put(name, fresh)
            if old is not None:
                self._forget(old.name)
            self._touch_now_and_then()

    def sweep(self) -> None:
        """Unload what an engine before this one left there. Raises PeerLost or PeerRefused."""
        for card in self._peer.cards():
            if card.name.startswith(self._prefix):
                self._forget(card.name)

    def _require_place(self, name: str) -> None:
        names = self.shelf.names()
        held = len(names) - 1
        if name not in names and held >= HELD:
            raise SettingsError(
                f"This vLLM engine holds {held} custom models, and no more than {HELD}: delete provisioned throughput "
                "or deployments on this base that are not needed."
            )

    def _hand_over(self, fresh: str, folder: Path) -> None:
        try:
            self._peer.load(fresh, folder)
        except PeerRefused as refused:
            raise SettingsError(self._why(refused)) from refused

    def _why(self, refused: PeerRefused) -> str:
        if refused.status != MISSING:
            return f"vLLM does not take the adapter: {refused}"
        if not self._peer.loads_adapters():
            return NO_LOADING
        return (
            "The vLLM server cannot read the adapter's files: it must see this machine's memory-backed folder, "
            "/dev/shm, as this user does. Run it on this machine as this user, or let Outcrop start it (--engine vllm)."
        )

    def _forget(self, known: str) -> None:
        with contextlib.suppress(PeerLost, PeerRefused):  # it does not have it, then
            self._peer.unload(known)

    def _touch_now_and_then(self) -> None:
        self._loads_since_touched += 1
        if self._loads_since_touched < KEPT - HELD:
            return
        self._loads_since_touched = 0
        for name in self.shelf.names():
            known = None if name == BASE else self.shelf.find(name)
            if known is not None:
                self._touch(known.name)

    def _touch(self, known: str) -> None:
        """However it goes, what was loaded just now is loaded."""
        try:
            self._peer.touch(known)
        except PeerRefused as refused:
            if refused.status == MISSING:
                self._lost(NOT_THERE)
        except PeerLost:
            return  # who watches it says so, if it stays away


def _size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*"))

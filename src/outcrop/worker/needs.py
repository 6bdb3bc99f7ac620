"""What engines should hold: all that is provisioned or deployed, by checkpoint, and what jobs wish for meanwhile.

Knows nothing of engines.
"""

from dataclasses import dataclass, field

from outcrop.domain.errors import OutcropError
from outcrop.store import deployments, models, throughput
from outcrop.store.deployments import Deployment
from outcrop.store.models import CustomModel
from outcrop.store.throughput import Throughput
from outcrop.worker.ground import WorkerGround


@dataclass(slots=True)
class Needs:
    """Custom models by checkpoint; the checkpoint of each foundation model; and why each other one cannot be had.

    `throughput` and `deployments` are those that wait for their model; `awaited` are those models' ids. `lent` are the
    checkpoints that only jobs need, for a moment. `bought`: units by checkpoint and throughput; `sold`: all of them;
    `pinned`: the custom models that they are of.
    """

    held: dict[str, dict[str, CustomModel]] = field(default_factory=dict)
    checkpoints: dict[str, str] = field(default_factory=dict)
    hopeless: dict[str, str] = field(default_factory=dict)
    throughput: list[Throughput] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    lent: set[str] = field(default_factory=set)
    bought: dict[str, dict[str, int]] = field(default_factory=dict)
    sold: int = 0
    pinned: set[str] = field(default_factory=set)

    @property
    def awaited(self) -> set[str]:
        """What somebody waits to hear of."""
        bought = {waiting.desired_model_id or waiting.foundation_model_id for waiting in self.throughput}
        return bought | {waiting.wanted_model_id for waiting in self.deployments}

    @property
    def models(self) -> set[str]:
        """Every custom model, on whichever checkpoint."""
        return {model_id for wanted in self.held.values() for model_id in wanted}

    def checkpoint_of(self, model_id: str) -> str | None:
        """Where a custom model, or a foundation model, belongs."""
        holders = (checkpoint for checkpoint, wanted in self.held.items() if model_id in wanted)
        return self.checkpoints.get(model_id) or next(holders, None)


def needs_of(ground: WorkerGround) -> Needs:
    """What should be held now. What moves needs both its models: the old one answers until the new one can."""
    pending = throughput.pending(ground.database), deployments.pending(ground.database)
    needs = Needs(throughput=pending[0], deployments=pending[1])
    for bought in throughput.standing(ground.database):
        for model_id in (bought.model_id, bought.desired_model_id):
            if model_id is None:
                _need_foundation(ground, needs, bought.foundation_model_id)
            else:
                _need(ground, needs, model_id)
                needs.pinned.add(model_id)
            checkpoint = needs.checkpoint_of(model_id or bought.foundation_model_id)
            if checkpoint is not None:
                needs.bought.setdefault(checkpoint, {})[bought.id] = bought.model_units
        needs.sold += bought.model_units
    for deployed in deployments.standing(ground.database):
        for model_id in (deployed.model_id, deployed.wanted_model_id):
            _need(ground, needs, model_id)
    needs.lent = ground.wishes.checkpoints() - needs.held.keys()
    for checkpoint in needs.lent:
        needs.held[checkpoint] = {}
    return needs


def _need(ground: WorkerGround, needs: Needs, model_id: str) -> None:
    with ground.database.read() as connection:
        model = models.by_id(connection, model_id)
    if model is None:
        needs.hopeless[model_id] = "it does not exist any more"
    else:
        needs.held.setdefault(model.checkpoint, {})[model_id] = model


def _need_foundation(ground: WorkerGround, needs: Needs, model_id: str) -> None:
    if model_id in needs.checkpoints:
        return
    try:
        checkpoint = str(ground.catalogue().checkpoint_for(model_id).path)
    except OutcropError as error:  # a model id of the user's own that is mapped no more, or a catalogue that is damaged
        needs.hopeless[model_id] = str(error)
        return
    needs.checkpoints[model_id] = checkpoint
    needs.held.setdefault(checkpoint, {})

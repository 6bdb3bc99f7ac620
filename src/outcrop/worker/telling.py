"""Says what became of throughput and deployments that wait for their model. Knows nothing of engines."""

from collections.abc import Callable

from outcrop.store import deployments, throughput
from outcrop.store.deployments import Deployment
from outcrop.store.throughput import Throughput
from outcrop.worker.ground import WorkerGround
from outcrop.worker.needs import Needs

Answer = Callable[[str], bool | str]  # of a model's id. True: it answers. A sentence: it cannot. False: not yet


def tell(ground: WorkerGround, needs: Needs, answer: Answer) -> None:
    """Move all that waited when the needs were taken and whose model answers, or cannot."""
    for bought in needs.throughput:
        _tell_throughput(ground, bought, answer)
    for deployed in needs.deployments:
        _tell_deployment(ground, deployed, answer)


def _tell_throughput(ground: WorkerGround, bought: Throughput, answer: Answer) -> None:
    database, now = ground.database, ground.clock()
    said = answer(bought.desired_model_id or bought.foundation_model_id)
    if said is True:
        throughput.mark_in_service(database, bought, now)
    elif said and _is_moving(bought) and answer(bought.model_id or bought.foundation_model_id) is True:
        throughput.mark_not_moved(database, bought, said, now)
    elif said:
        throughput.mark_failed(database, bought, said, now)


def _is_moving(bought: Throughput) -> bool:
    return bought.desired_model_arn != bought.model_arn


def _tell_deployment(ground: WorkerGround, deployed: Deployment, answer: Answer) -> None:
    database, now = ground.database, ground.clock()
    said = answer(deployed.wanted_model_id)
    if said is True:
        deployments.mark_active(database, deployed, now)
    elif said:
        deployments.mark_failed(database, deployed, said, now)

"""A job goes behind when units are sold, last while whoever bought is answered, and comes back."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from outcrop.config import Settings
from outcrop.domain.model_units import Capacity
from outcrop.domain.states import ThroughputStatus
from outcrop.inference.asking import Sampling
from outcrop.inference.scheduler import Answer
from outcrop.inference.shares import MINUTE_S, ON_DEMAND, Shares
from outcrop.store import throughput
from outcrop.store.home import open_home
from outcrop.store.throughput import Throughput
from outcrop.worker.ground import open_ground
from outcrop.worker.priority import Standing
from outcrop.worker.standing import answers_buyers, standing_of_jobs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOUGHT = Throughput(
    id="abcdefghij12",
    arn="arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghij12",
    account="123456789012",
    region="us-east-1",
    name="pt",
    model_units=1,
    foundation_model_id="amazon.nova-micro-v1:0:128k",
    model_arn="arn:model",
    model_id="modelmodel12",
    desired_model_arn="arn:model",
    desired_model_id="modelmodel12",
    status=ThroughputStatus.IN_SERVICE,
    created_at=NOON,
    modified_at=NOON,
)


class Mute:
    def push(self, _: int) -> tuple[str, str | None]:
        return "", None

    def finish(self) -> tuple[str, str | None]:
        return "", None


@pytest.mark.parametrize(("buyer", "counts"), [("pt", True), (ON_DEMAND, False)])
def test_who_bought_is_served_first_while_answered_and_for_a_minute_after(buyer: str, counts: bool) -> None:
    now = [0.0]
    shares = Shares(Capacity(input_tokens_s=1.0, output_tokens_s=1.0), 4, lambda: now[0])
    shares.sell({"pt": 1}, 1)
    assert not answers_buyers({"buyers": shares.report()})
    answer = Answer(prompt=[1], sampling=Sampling(max_tokens=1, seed=0), model="base", writer=Mute(), buyer=buyer)
    shares.open(answer)
    assert answers_buyers({"buyers": shares.report()}) == counts
    answer.cached = 1
    shares.close(answer)
    assert answers_buyers({"buyers": shares.report()}) == counts
    now[0] = MINUTE_S + 1
    assert not answers_buyers({"buyers": shares.report()})


def test_a_job_goes_behind_once_units_are_sold_and_comes_back(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    open_home(settings).close()
    ground = open_ground(settings)
    assert standing_of_jobs(ground) is Standing.FREE
    with ground.database.write() as connection:
        throughput.add(connection, BOUGHT)
    assert standing_of_jobs(ground) is Standing.BEHIND, "no engine runs that could answer"
    with ground.database.write() as connection:
        throughput.remove(connection, BOUGHT.id)
    assert standing_of_jobs(ground) is Standing.FREE
    ground.database.close()

"""Deployments as the worker and the service see them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from outcrop.domain.names import new_id
from outcrop.domain.states import DeploymentStatus
from outcrop.store import deployments
from outcrop.store.database import Database
from outcrop.store.deployments import Deployment, UpdateStatus

HERE = ("us-east-1", "123456789012")
UPDATING = {"update_model_arn": "arn:new", "update_model_id": "newnewnewnew", "update_status": UpdateStatus.UPDATING}
Deploy = Callable[..., Deployment]


@pytest.fixture
def deploy(database: Database, noon: datetime) -> Deploy:
    def add(**given: Any) -> Deployment:
        made_id = new_id()
        values: dict[str, Any] = {
            "id": made_id,
            "arn": f"arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/{made_id}",
            "account": "123456789012",
            "region": "us-east-1",
            "name": f"deployment-{made_id}",
            "model_arn": "arn:old",
            "model_id": "oldoldoldold",
            "created_at": noon,
        }
        made = Deployment(**{**values, **given})
        with database.write() as connection:
            deployments.add(connection, made)
        return made

    return add


def now_of(database: Database, made: Deployment) -> Deployment:
    with database.read() as connection:
        found = deployments.find(connection, *HERE, made.arn)
    assert found is not None
    return found


def test_it_comes_back_as_it_was_made_by_name_and_arn(database: Database, deploy: Deploy) -> None:
    made = deploy(description="of slate")
    with database.read() as connection:
        assert deployments.find(connection, *HERE, made.name) == made
        assert deployments.find(connection, *HERE, made.arn) == made
        assert deployments.find(connection, "us-west-2", HERE[1], made.name) is None
        assert deployments.count(connection, *HERE) == 1


def test_a_new_one_waits_until_it_is_active(database: Database, deploy: Deploy, noon: datetime) -> None:
    made = deploy()
    assert deployments.pending(database) == [made]
    assert deployments.mark_active(database, made, noon)
    assert deployments.pending(database) == []
    assert now_of(database, made).status is DeploymentStatus.ACTIVE
    assert not deployments.mark_active(database, made, noon)


def test_a_new_one_that_cannot_be_served_has_failed(database: Database, deploy: Deploy, noon: datetime) -> None:
    made = deploy()
    assert deployments.mark_failed(database, made, "no engine", noon)
    failed = now_of(database, made)
    assert (failed.status, failed.failure_message) == (DeploymentStatus.FAILED, "no engine")
    assert deployments.standing(database) == []


def test_an_update_waits_for_its_model_and_then_serves_it(database: Database, deploy: Deploy, noon: datetime) -> None:
    made = deploy(status=DeploymentStatus.ACTIVE, **UPDATING)
    assert [one.wanted_model_id for one in deployments.pending(database)] == ["newnewnewnew"]
    with database.read() as connection:
        assert deployments.names_using(connection, "oldoldoldold") == [made.name]
        assert deployments.names_using(connection, "newnewnewnew") == [made.name]
    assert deployments.mark_active(database, made, noon)
    updated = now_of(database, made)
    assert (updated.model_arn, updated.model_id) == ("arn:new", "newnewnewnew")
    assert updated.update_status is UpdateStatus.COMPLETED
    assert updated.wanted_model_id == "newnewnewnew"


def test_a_failed_update_leaves_the_old_model_serving(database: Database, deploy: Deploy, noon: datetime) -> None:
    made = deploy(status=DeploymentStatus.ACTIVE, **UPDATING)
    assert deployments.mark_failed(database, made, "no memory", noon)
    kept = now_of(database, made)
    assert (kept.status, kept.update_status) == (DeploymentStatus.ACTIVE, UpdateStatus.FAILED)
    assert (kept.model_id, kept.wanted_model_id, kept.failure_message) == ("oldoldoldold", "oldoldoldold", "no memory")
    with database.read() as connection:
        assert deployments.names_using(connection, "newnewnewnew") == []
    assert deployments.standing(database) == [kept]


def test_a_row_that_changed_or_went_meanwhile_is_left_alone(database: Database, deploy: Deploy, noon: datetime) -> None:
    made = deploy(status=DeploymentStatus.ACTIVE, **UPDATING)
    with database.write() as connection:
        deployments.change(connection, made.id, {"update_model_id": "otherotherot"})
    assert not deployments.mark_active(database, made, noon)
    with database.write() as connection:
        deployments.remove(connection, made.id)
    assert not deployments.mark_failed(database, made, "late", noon)

"""Custom models, and what an invocation's identifier stands for."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from outcrop.domain.names import new_id
from outcrop.domain.states import DeploymentStatus, ModelStatus, ThroughputStatus
from outcrop.store import deployments, models, throughput
from outcrop.store.database import Database
from outcrop.store.models import CustomModel

REGION, ACCOUNT = "us-east-1", "123456789012"
BASE = "amazon.nova-micro-v1:0:128k"
Make = Callable[..., CustomModel]


@pytest.fixture
def make(database: Database, noon: datetime) -> Make:
    def add(**given: Any) -> CustomModel:
        model_id = new_id()
        values: dict[str, Any] = {
            "id": model_id,
            "arn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model/{BASE}/{model_id}",
            "account": ACCOUNT,
            "region": REGION,
            "name": f"model-{model_id}",
            "status": ModelStatus.ACTIVE,
            "job_id": new_id(),
            "base_model_id": BASE,
            "parent_id": None,
            "customization_type": "FINE_TUNING",
            "checkpoint": "/checkpoints/pebble",
            "kms_key_arn": None,
            "data_key": b"wrapped",
            "created_at": noon,
        }
        model = CustomModel(**{**values, **given})
        with database.write() as connection:
            models.add(connection, model)
        return model

    return add


def servable(database: Database, identifier: str, region: str = REGION) -> models.Servable | None:
    with database.read() as connection:
        return models.servable(connection, region, ACCOUNT, identifier)


def test_a_model_is_found_by_name_and_arn_in_its_own_region_only(database: Database, make: Make) -> None:
    model = make()
    with database.read() as connection:
        assert models.find(connection, REGION, ACCOUNT, model.name) == model
        assert models.find(connection, REGION, ACCOUNT, model.arn) == model
        assert models.find(connection, "us-west-2", ACCOUNT, model.arn) is None
        assert models.find(connection, REGION, "999999999999", model.name) is None


def test_a_deleted_model_is_gone_for_callers_until_its_folder_is_wiped(
    database: Database, make: Make, noon: datetime
) -> None:
    model, other = make(name="slate"), make()
    with database.write() as connection:
        models.mark_deleted(connection, model.id, noon)
        assert models.find(connection, REGION, ACCOUNT, "slate") is None
    again = make(name="slate")
    assert [one.job_id for one in models.forgotten(database)] == [model.job_id]
    models.wiped(database, other.id)
    models.wiped(database, model.id)
    assert models.forgotten(database) == []
    with database.read() as connection:
        assert models.by_id(connection, model.id) is None
        assert models.by_id(connection, other.id) == other
        assert models.find(connection, REGION, ACCOUNT, "slate") == again


def test_two_living_models_never_share_a_name(database: Database, make: Make) -> None:
    make(name="slate")
    with pytest.raises(Exception, match="UNIQUE"):
        make(name="slate")
    make(name="slate", region="us-west-2")


@pytest.mark.parametrize("identifier", [BASE, f"arn:aws:bedrock:{REGION}::foundation-model/{BASE}"])
def test_a_foundation_id_or_arn_is_served_by_itself(database: Database, identifier: str) -> None:
    found = models.Servable(kind="foundation", foundation_model_id=BASE, model=None, status="Active")
    assert servable(database, identifier) == found


def test_a_provisioned_name_or_arn_is_served_by_its_present_model(
    database: Database, make: Make, noon: datetime
) -> None:
    model, next_model = make(), make()
    made = throughput.Throughput(
        id=new_id(),
        arn=f"arn:aws:bedrock:{REGION}:{ACCOUNT}:provisioned-model/abcdefabcdef",
        account=ACCOUNT,
        region=REGION,
        name="pt",
        model_units=1,
        foundation_model_id=BASE,
        model_arn=model.arn,
        model_id=model.id,
        desired_model_arn=next_model.arn,
        desired_model_id=next_model.id,
        status=ThroughputStatus.UPDATING,
        created_at=noon,
        modified_at=noon,
    )
    with database.write() as connection:
        throughput.add(connection, made)
    found = models.Servable(
        kind="provisioned", foundation_model_id=BASE, model=model, status="Updating", throughput_id=made.id
    )
    assert servable(database, "pt") == servable(database, made.arn) == found
    assert servable(database, made.arn, "us-west-2") is None


def test_a_deployment_arn_is_served_by_its_model(database: Database, make: Make, noon: datetime) -> None:
    model = make()
    made = deployments.Deployment(
        id=new_id(),
        arn=f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model-deployment/abcdefabcdef",
        account=ACCOUNT,
        region=REGION,
        name="deployed",
        model_arn=model.arn,
        model_id=model.id,
        status=DeploymentStatus.ACTIVE,
        created_at=noon,
    )
    with database.write() as connection:
        deployments.add(connection, made)
    found = models.Servable(kind="deployment", foundation_model_id=BASE, model=model, status="Active")
    assert servable(database, made.arn) == found
    assert servable(database, "deployed") is None


def test_nothing_else_is_served(database: Database, make: Make) -> None:
    model = make()
    for identifier in (model.arn, model.name, "nobody", "amazon.unknown-v1:0", "arn:aws:s3:::bucket"):
        assert servable(database, identifier) is None

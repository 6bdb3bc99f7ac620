"""Provisioned throughput as the worker and the service see it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from outcrop.domain.names import new_id
from outcrop.domain.states import ThroughputStatus
from outcrop.store import throughput
from outcrop.store.database import Database
from outcrop.store.throughput import Throughput

HERE = ("us-east-1", "123456789012")
Provision = Callable[..., Throughput]


@pytest.fixture
def provision(database: Database, noon: datetime) -> Provision:
    def add(**given: Any) -> Throughput:
        made_id = new_id()
        values: dict[str, Any] = {
            "id": made_id,
            "arn": f"arn:aws:bedrock:us-east-1:123456789012:provisioned-model/{made_id}",
            "account": "123456789012",
            "region": "us-east-1",
            "name": f"pt-{made_id}",
            "model_units": 1,
            "foundation_model_id": "amazon.nova-micro-v1:0:128k",
            "model_arn": "arn:old",
            "model_id": "oldoldoldold",
            "desired_model_arn": "arn:old",
            "desired_model_id": "oldoldoldold",
            "created_at": noon,
            "modified_at": noon,
        }
        made = Throughput(**{**values, **given})
        with database.write() as connection:
            throughput.add(connection, made)
        return made

    return add


def now_of(database: Database, made: Throughput) -> Throughput | None:
    with database.read() as connection:
        return throughput.find(connection, *HERE, made.name)


def test_it_comes_back_as_it_was_made_by_name_and_arn(database: Database, provision: Provision, noon: datetime) -> None:
    made = provision(commitment="OneMonth", commitment_expires_at=noon)
    with database.read() as connection:
        assert throughput.find(connection, *HERE, made.name) == made
        assert throughput.find(connection, *HERE, made.arn) == made
        assert throughput.find(connection, "us-west-2", HERE[1], made.arn) is None


def test_units_are_sold_whatever_the_region_until_they_fail(
    database: Database, provision: Provision, noon: datetime
) -> None:
    provision(model_units=3)
    elsewhere = provision(id="elsewhereaaa", arn="arn:elsewhere", region="us-west-2", model_units=4)
    with database.read() as connection:
        assert throughput.units_sold(connection) == 7
    throughput.mark_failed(database, elsewhere, "no memory", noon)
    with database.read() as connection:
        assert throughput.units_sold(connection) == 3


def test_what_waits_is_pending_until_it_is_in_service(database: Database, provision: Provision, noon: datetime) -> None:
    made = provision()
    assert throughput.pending(database) == [made]
    assert throughput.mark_in_service(database, made, noon + timedelta(seconds=9))
    assert throughput.pending(database) == []
    served = now_of(database, made)
    assert served is not None
    assert (served.status, served.modified_at) == (ThroughputStatus.IN_SERVICE, noon + timedelta(seconds=9))
    assert throughput.standing(database) == [served]


def test_an_update_in_service_serves_the_desired_model(
    database: Database, provision: Provision, noon: datetime
) -> None:
    made = provision(status=ThroughputStatus.UPDATING, desired_model_arn="arn:new", desired_model_id="newnewnewnew")
    with database.read() as connection:
        assert throughput.names_using(connection, "oldoldoldold") == [made.name]
        assert throughput.names_using(connection, "newnewnewnew") == [made.name]
    assert throughput.mark_in_service(database, made, noon)
    served = now_of(database, made)
    assert served is not None and (served.model_arn, served.model_id) == ("arn:new", "newnewnewnew")
    with database.read() as connection:
        assert throughput.names_using(connection, "oldoldoldold") == []


def test_a_failure_is_said_and_serves_no_more(database: Database, provision: Provision, noon: datetime) -> None:
    made = provision()
    assert throughput.mark_failed(database, made, "the model's files are gone", noon)
    failed = now_of(database, made)
    assert failed is not None
    assert (failed.status, failed.failure_message) == (ThroughputStatus.FAILED, "the model's files are gone")
    assert throughput.standing(database) == []


def test_a_row_that_changed_meanwhile_is_left_alone(database: Database, provision: Provision, noon: datetime) -> None:
    made = provision()
    stale = replace(made, desired_model_arn="arn:other")
    assert not throughput.mark_in_service(database, stale, noon)
    assert throughput.mark_in_service(database, made, noon)
    assert not throughput.mark_failed(database, made, "late", noon)
    served = now_of(database, made)
    assert served is not None and served.status is ThroughputStatus.IN_SERVICE


def test_a_row_deleted_meanwhile_stays_deleted(database: Database, provision: Provision, noon: datetime) -> None:
    made = provision()
    with database.write() as connection:
        throughput.remove(connection, made.id)
    assert not throughput.mark_in_service(database, made, noon)
    assert now_of(database, made) is None

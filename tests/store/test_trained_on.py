"""A custom model is asked over the weights that it was trained on, and over no others."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from outcrop.config import Settings
from outcrop.domain.states import ModelStatus
from outcrop.store import engines, models, trained_on
from outcrop.store.database import Database

CHECKPOINT = Path("/checkpoints/slate")
TRAINED, OTHER = "a1" * 32, "b2" * 32


@pytest.fixture
def model(noon: datetime) -> models.CustomModel:
    return models.CustomModel(
        id="abcdefabcdef",
        arn="arn:slate",
        account="123456789012",
        region="us-east-1",
        name="slate",
        status=ModelStatus.ACTIVE,
        job_id="fedcbafedcba",
        base_model_id="amazon.nova-micro-v1:0:128k",
        parent_id=None,
        customization_type="FINE_TUNING",
        checkpoint=str(CHECKPOINT),
        kms_key_arn=None,
        data_key=None,
        created_at=noon,
        checkpoint_digest=TRAINED,
    )


def said(database: Database, model: models.CustomModel) -> str | None:
    with database.read() as connection:
        return trained_on.other_weights(connection, model)


def test_other_weights_are_said_with_both_digests_and_what_to_do(
    database: Database, tmp_path: Path, model: models.CustomModel, noon: datetime
) -> None:
    engines.want(database, Settings(home=tmp_path), CHECKPOINT, noon)
    engines.starting(database, str(CHECKPOINT), 42, OTHER)
    sentence = said(database, model)
    assert sentence is not None
    for part in (
        "slate",
        str(CHECKPOINT),
        TRAINED[:16],
        OTHER[:16],
        "Put the former files back",
        "train the model again",
    ):
        assert part in sentence


@pytest.mark.parametrize(
    ("of_the_model", "of_the_engine"),
    [(TRAINED, TRAINED), (None, OTHER), (TRAINED, None)],
    ids=["the same", "a model that is older than digests", "an engine whose weights cannot be told"],
)
def test_what_fits_or_cannot_be_told_is_let_pass(
    database: Database,
    tmp_path: Path,
    model: models.CustomModel,
    noon: datetime,
    of_the_model: str | None,
    of_the_engine: str | None,
) -> None:
    engines.want(database, Settings(home=tmp_path), CHECKPOINT, noon)
    engines.starting(database, str(CHECKPOINT), 42, of_the_engine)
    assert said(database, replace(model, checkpoint_digest=of_the_model)) is None


def test_an_engine_that_is_gone_or_only_wished_for_holds_nothing(
    database: Database, tmp_path: Path, model: models.CustomModel, noon: datetime
) -> None:
    assert said(database, model) is None
    engines.want(database, Settings(home=tmp_path), CHECKPOINT, noon)
    engines.starting(database, str(CHECKPOINT), 42, OTHER)
    engines.gone(database, str(CHECKPOINT), "killed")
    assert said(database, model) is None
    engines.want(database, Settings(home=tmp_path), CHECKPOINT, noon)
    assert said(database, model) is None

"""Tokens of lists: whatever comes back in their place is refused, and nothing else happens."""

import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop.domain.errors import ValidationException
from outcrop.services.bedrock import OPERATIONS
from outcrop.services.bedrock.paging import _belonging, _seal
from outcrop.store import jobs
from outcrop.store.database import to_microseconds

LISTS = ("ListCustomModels", "ListModelCustomizationJobs", "ListProvisionedModelThroughputs")
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=60, deadline=None, suppress_health_check=SHARED)
@given(token=st.text(min_size=1, max_size=60), name=st.sampled_from(LISTS))
def test_any_text_is_refused_as_a_token(scene: Any, token: str, name: str) -> None:
    with pytest.raises(ValidationException, match="nextToken"):
        OPERATIONS[name](scene.call(), {"nextToken": token})


@pytest.mark.parametrize(
    "inside", [b"[" * 1400, b'[NaN, "x", "y"]', b'["a", {}, null]', b"\xff\xfe", b'["\\ud800", 1, 2]']
)
def test_strange_insides_are_refused_too(scene: Any, inside: bytes) -> None:
    with pytest.raises(ValidationException, match="nextToken"):
        OPERATIONS["ListCustomModels"](scene.call(), {"nextToken": urlsafe_b64encode(inside).decode()})


def forged(scene: Any, moment: Any, row_id: Any) -> str:
    """A token whose seal is right: anyone who reads the source can make one."""
    filters = {"account": scene.ground.account, "region": "us-east-1"}
    seal = _seal([moment, row_id], _belonging(jobs.LISTING, filters, True))
    return urlsafe_b64encode(json.dumps([moment, row_id, seal]).encode()).decode()


def test_a_forged_token_shows_what_the_list_shows(paged: Any) -> None:
    scene, _ = paged
    late = forged(scene, to_microseconds(scene.at + timedelta(days=1)), "id")
    listed = OPERATIONS["ListModelCustomizationJobs"]
    assert listed(scene.call(), {"nextToken": late}) == listed(scene.call(), {})


@pytest.mark.parametrize("moment", [10**30, -(10**30), 10**17 * 4, 1.5, True, "1", None])
def test_a_moment_that_no_token_of_ours_holds_is_refused(paged: Any, moment: Any) -> None:
    scene, _ = paged
    with pytest.raises(ValidationException, match="nextToken"):
        OPERATIONS["ListModelCustomizationJobs"](scene.call(), {"nextToken": forged(scene, moment, "id")})


@pytest.mark.parametrize("row_id", [1, None, 1.5, ["id"], {"id": 1}, True, "\ud800", "\0"])
def test_an_id_that_no_row_has_is_refused(paged: Any, row_id: Any) -> None:
    scene, _ = paged
    with pytest.raises(ValidationException, match="nextToken"):
        OPERATIONS["ListModelCustomizationJobs"](scene.call(), {"nextToken": forged(scene, 1, row_id)})


@settings(max_examples=60, deadline=None, suppress_health_check=SHARED)
@given(place=st.integers(0, 200), character=st.sampled_from("AZaz09-_"))
def test_a_token_with_one_character_changed_is_refused(paged: Any, place: int, character: str) -> None:
    scene, token = paged
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    if changed == token:
        return
    listed = OPERATIONS["ListModelCustomizationJobs"]
    try:
        found = listed(scene.call(), {"nextToken": changed})
    except ValidationException:
        return
    assert found == listed(scene.call(), {"nextToken": token})  # base64's last character has bits that say nothing


@pytest.fixture
def paged(scene: Any) -> tuple[Any, str]:
    scene.queue("one"), scene.queue("two")
    answer = OPERATIONS["ListModelCustomizationJobs"](scene.call(), {"maxResults": 1})
    return scene, answer["nextToken"]


def test_a_token_of_one_list_is_refused_by_another(paged: Any) -> None:
    scene, token = paged
    for name in ("ListCustomModels", "ListProvisionedModelThroughputs"):
        with pytest.raises(ValidationException, match="nextToken"):
            OPERATIONS[name](scene.call(), {"nextToken": token})


def test_the_page_size_may_change_between_pages(paged: Any) -> None:
    scene, token = paged
    answer = OPERATIONS["ListModelCustomizationJobs"](scene.call(), {"maxResults": 50, "nextToken": token})
    assert len(answer["modelCustomizationJobSummaries"]) == 1
    assert "nextToken" not in answer

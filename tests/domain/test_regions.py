"""A Region's name is told from any other text by its shape."""

import botocore.session
import pytest

from outcrop.domain.regions import DEFAULT, is_region


def test_every_region_of_aws_is_one() -> None:
    session = botocore.session.Session()
    known = [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("bedrock", partition_name=partition)
        + session.get_available_regions("ec2", partition_name=partition)
    ]
    assert DEFAULT in known and len(known) > 30
    assert [region for region in known if not is_region(region)] == []


@pytest.mark.parametrize(
    "text", ["", "*", "banana", "US-EAST-1", "us-east", "us-east-1\n", "us-east-1a", "-".join("a" * 30)]
)
def test_other_texts_are_none(text: str) -> None:
    assert not is_region(text)

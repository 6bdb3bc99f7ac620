"""The worker's process runs with the server's settings."""

from dataclasses import fields
from pathlib import Path

from outcrop.cli.serve import worker_launch
from outcrop.config import Settings
from outcrop.worker.__main__ import settings_of

OTHER = Settings(
    home=Path("/a home/with spaces"),
    host="::1",
    port=1,
    tls=True,
    job_slots=7,
    lease_s=1.5,
    weights="int8",
    engine=("vllm", "amazon.nova-micro-v1:0=embedded"),
    vllm="/a path/vllm",
    vllm_arguments="--enforce-eager",
    max_body_bytes=9,
    max_connections=3,
)


def test_every_setting_of_the_server_reaches_its_worker() -> None:
    plain = Settings(home=Path("/home"))
    assert all(getattr(OTHER, each.name) != getattr(plain, each.name) for each in fields(Settings))
    assert settings_of(worker_launch(OTHER).arguments) == OTHER

"""`outcrop keys` makes a key that works, says it once, and takes it back."""

import shlex
from typing import Any

import httpx
import pytest

from living import Outcrop
from outcrop.cli.keys import POLICY_NAME

pytestmark = pytest.mark.xdist_group("cli")


def exported(printed: str) -> dict[str, str]:
    return dict(shlex.split(line)[1].split("=", 1) for line in printed.splitlines())


def models(variables: dict[str, str]) -> int:
    asked = {"Authorization": f"Bearer {variables['OPENAI_API_KEY']}"}
    return httpx.get(f"{variables['OPENAI_BASE_URL']}/models", headers=asked, trust_env=False).status_code


def test_a_key_is_made_listed_and_deleted(outcrop: Outcrop, run: Any) -> None:
    made = run("keys", "create", "--home", outcrop.home, "--user", "ada", "--days", "30")
    variables = exported(made.out)
    assert variables.keys() == {"OPENAI_BASE_URL", "OPENAI_API_KEY"}  # boto3 would take no key over http
    assert "made the user ada" in made.err and variables["OPENAI_API_KEY"] not in made.err
    assert models(variables) == 200

    listed = run("keys", "list", "--home", outcrop.home, "--user", "ada")
    assert variables["OPENAI_API_KEY"] not in listed.out
    key_id = listed.out.splitlines()[1].split()[0]
    assert "Active" in listed.out and "never" not in listed.out

    assert run("keys", "delete", "--home", outcrop.home, key_id).out == f"deleted {key_id} of ada\n"
    assert models(variables) == 401
    missing = run("keys", "delete", "--home", outcrop.home, key_id)
    assert (missing.status, missing.out) == (1, "") and "outcrop keys list" in missing.err


def test_a_user_who_exists_keeps_their_policies(outcrop: Outcrop, run: Any) -> None:
    iam = outcrop.client("iam")
    iam.create_user(UserName="strict")
    made = run("keys", "create", "--home", outcrop.home, "--user", "strict")
    assert "made the user" not in made.err
    assert iam.list_user_policies(UserName="strict")["PolicyNames"] == []
    assert models(exported(made.out)) == 403
    run("keys", "create", "--home", outcrop.home, "--user", "fresh")
    assert iam.list_user_policies(UserName="fresh")["PolicyNames"] == [POLICY_NAME]
    assert run("keys", "list", "--home", outcrop.home).out.count("never") == 2

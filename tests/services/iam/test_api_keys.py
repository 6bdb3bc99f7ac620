"""Service-specific credentials, as IAM answers them. The key itself is said once."""

from typing import Any

import pytest

from outcrop.domain.errors import Fault
from outcrop.services.iam.api_keys import SERVICE

Service = Any


@pytest.fixture
def iam(service: Service) -> Service:
    for name in ("ada", "bob"):
        service("CreateUser", UserName=name)
    return service


def create(iam: Service, user: str = "ada", **request: Any) -> dict[str, Any]:
    made = iam("CreateServiceSpecificCredential", UserName=user, ServiceName=SERVICE, **request)
    found: dict[str, Any] = made["ServiceSpecificCredential"]
    return found


def listed(iam: Service, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = iam("ListServiceSpecificCredentials", **request)["ServiceSpecificCredentials"]
    return found


def refused(iam: Service, operation: str, **request: Any) -> str:
    with pytest.raises(Fault) as caught:
        iam(operation, **request)
    return caught.value.code


def test_a_key_is_said_once_and_listed_without_it(iam: Service) -> None:
    made = create(iam)
    assert made["ServiceCredentialSecret"].startswith("ABSK")
    seen = {name: value for name, value in made.items() if name != "ServiceCredentialSecret"}
    assert listed(iam, UserName="ada") == [seen]
    assert (seen["Status"], seen["ServiceName"]) == ("Active", SERVICE)
    assert "ExpirationDate" not in seen


def test_all_users_keys_are_listed_in_pages(iam: Service) -> None:
    ids = sorted(create(iam, user)["ServiceSpecificCredentialId"] for user in ("ada", "bob", "bob"))
    assert [key["ServiceSpecificCredentialId"] for key in listed(iam, AllUsers=True)] == ids
    first = iam("ListServiceSpecificCredentials", AllUsers=True, MaxItems=2)
    assert first["IsTruncated"]
    rest = iam("ListServiceSpecificCredentials", AllUsers=True, Marker=first["Marker"])
    both = first["ServiceSpecificCredentials"] + rest["ServiceSpecificCredentials"]
    assert [key["ServiceSpecificCredentialId"] for key in both] == ids


def test_a_key_expires_by_itself(iam: Service) -> None:
    made = create(iam, CredentialAgeDays=3)
    assert (made["ExpirationDate"] - made["CreateDate"]).days == 3
    assert listed(iam.later(days=4), UserName="ada")[0]["Status"] == "Expired"


def test_a_key_is_switched_off_and_deleted(iam: Service) -> None:
    named = {"UserName": "ada", "ServiceSpecificCredentialId": create(iam)["ServiceSpecificCredentialId"]}
    iam("UpdateServiceSpecificCredential", **named, Status="Inactive")
    assert listed(iam, UserName="ada")[0]["Status"] == "Inactive"
    iam("DeleteServiceSpecificCredential", **named)
    assert listed(iam, UserName="ada") == []
    assert refused(iam, "DeleteServiceSpecificCredential", **named) == "NoSuchEntity"


def test_who_names_no_user_means_themselves(iam: Service) -> None:
    create(iam)
    ada = iam("GetUser", UserName="ada")["User"]
    herself = iam.by(ada["Arn"], ada["UserId"])
    assert len(listed(herself)) == 1
    assert refused(iam, "ListServiceSpecificCredentials") == "ValidationError"  # the account's root is no user


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("CreateServiceSpecificCredential", {"UserName": "eve", "ServiceName": SERVICE}, "NoSuchEntity"),
        ("CreateServiceSpecificCredential", {"UserName": "ada", "ServiceName": "codecommit"}, "NotSupportedService"),
        ("ListServiceSpecificCredentials", {"ServiceName": "codecommit"}, "NotSupportedService"),
        ("ListServiceSpecificCredentials", {"UserName": "ada", "AllUsers": True}, "ValidationError"),
        (
            "UpdateServiceSpecificCredential",
            {"UserName": "ada", "ServiceSpecificCredentialId": "ACCA0", "Status": "Expired"},
            "ValidationError",
        ),
        (
            "DeleteServiceSpecificCredential",
            {"UserName": "bob", "ServiceSpecificCredentialId": "ACCA0"},
            "NoSuchEntity",
        ),
    ],
)
def test_what_is_refused(iam: Service, operation: str, request_: dict[str, Any], code: str) -> None:
    assert refused(iam, operation, **request_) == code

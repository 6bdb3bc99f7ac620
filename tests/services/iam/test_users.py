"""Users and their keys, straight into the operations."""

from typing import Any

import pytest

from outcrop.domain.errors import Fault


def refused(code: str, iam: Any, operation: str, **request: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        iam(operation, **request)
    assert caught.value.code == code
    return caught.value


def as_user(service: Any, name: str, path: str = "/") -> Any:
    user = service("CreateUser", UserName=name, Path=path)["User"]
    return service.by(user["Arn"], user["UserId"])


def test_a_user_has_id_arn_and_path(service: Any) -> None:
    user = service("CreateUser", UserName="bob", Path="/team/")["User"]
    assert user["UserId"].startswith("AIDA")
    assert len(user["UserId"]) == 21
    assert user["Arn"] == f"arn:aws:iam::{service.call.principal.account}:user/team/bob"


def test_names_differ_not_by_case_alone(service: Any) -> None:
    service("CreateUser", UserName="Bob")
    refused("EntityAlreadyExists", service, "CreateUser", UserName="bob")


def test_a_path_begins_and_ends_with_a_slash(service: Any) -> None:
    refused("ValidationError", service, "CreateUser", UserName="bob", Path="/team")


def test_a_user_is_not_deleted_while_something_hangs_on_him(service: Any, read: str) -> None:
    service("CreateUser", UserName="bob")
    key = service("CreateAccessKey", UserName="bob")["AccessKey"]["AccessKeyId"]
    assert "access keys" in refused("DeleteConflict", service, "DeleteUser", UserName="bob").message
    service("DeleteAccessKey", UserName="bob", AccessKeyId=key)
    service("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=read)
    assert "delete policies" in refused("DeleteConflict", service, "DeleteUser", UserName="bob").message
    service("DeleteUserPolicy", UserName="bob", PolicyName="p")
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    service("AttachUserPolicy", UserName="bob", PolicyArn=arn)
    assert "detach" in refused("DeleteConflict", service, "DeleteUser", UserName="bob").message
    service("DetachUserPolicy", UserName="bob", PolicyArn=arn)
    service("DeleteUser", UserName="bob")
    refused("NoSuchEntity", service, "GetUser", UserName="bob")


def test_who_names_nobody_means_himself(service: Any) -> None:
    bob = as_user(service, "bob", "/team/")
    assert bob("GetUser")["User"]["UserName"] == "bob"
    made = bob("CreateAccessKey")["AccessKey"]
    assert made["UserName"] == "bob"
    assert [key["AccessKeyId"] for key in bob("ListAccessKeys")["AccessKeyMetadata"]] == [made["AccessKeyId"]]


def test_the_root_is_answered_as_root(service: Any) -> None:
    user = service("GetUser")["User"]
    assert (user["UserName"], user["UserId"]) == ("root", service.call.principal.account)


def test_a_session_must_name_whom_it_means(service: Any) -> None:
    session = service.by("arn:aws:sts::1:assumed-role/role/session", "AROA:session")
    refused("ValidationError", session, "GetUser")
    refused("ValidationError", session, "CreateAccessKey")


def test_a_user_has_two_keys_at_most(service: Any) -> None:
    service("CreateUser", UserName="bob")
    service("CreateAccessKey", UserName="bob")
    service("CreateAccessKey", UserName="bob")
    refused("LimitExceeded", service, "CreateAccessKey", UserName="bob")


def test_a_secret_is_answered_once(service: Any) -> None:
    service("CreateUser", UserName="bob")
    made = service("CreateAccessKey", UserName="bob")["AccessKey"]
    assert len(made["SecretAccessKey"]) == 40
    assert made["AccessKeyId"].startswith("AKIA")
    assert len(made["AccessKeyId"]) == 20
    (listed,) = service("ListAccessKeys", UserName="bob")["AccessKeyMetadata"]
    assert set(listed) == {"UserName", "AccessKeyId", "Status", "CreateDate"}


def test_a_key_of_another_user_is_not_found(service: Any) -> None:
    service("CreateUser", UserName="bob")
    service("CreateUser", UserName="eve")
    key = service("CreateAccessKey", UserName="bob")["AccessKey"]["AccessKeyId"]
    refused("NoSuchEntity", service, "DeleteAccessKey", UserName="eve", AccessKeyId=key)
    refused("NoSuchEntity", service, "UpdateAccessKey", UserName="eve", AccessKeyId=key, Status="Inactive")


def test_the_administrators_last_active_key_stays(service: Any) -> None:
    (first,) = service("ListAccessKeys")["AccessKeyMetadata"]
    refused("DeleteConflict", service, "DeleteAccessKey", AccessKeyId=first["AccessKeyId"])
    refused("DeleteConflict", service, "UpdateAccessKey", AccessKeyId=first["AccessKeyId"], Status="Inactive")
    second = service("CreateAccessKey")["AccessKey"]
    service("DeleteAccessKey", AccessKeyId=first["AccessKeyId"])
    refused("DeleteConflict", service, "DeleteAccessKey", AccessKeyId=second["AccessKeyId"])


def test_a_marker_that_no_list_answered_is_refused(service: Any) -> None:
    for marker in ("!", "abc", "_w=="):
        refused("ValidationError", service, "ListUsers", Marker=marker)


def test_users_are_listed_under_a_path_in_pages(service: Any) -> None:
    for name in ("c", "a", "b"):
        service("CreateUser", UserName=name, Path="/x/")
    service("CreateUser", UserName="d", Path="/y/")
    first = service("ListUsers", PathPrefix="/x/", MaxItems=2)
    assert [user["UserName"] for user in first["Users"]] == ["a", "b"]
    assert first["IsTruncated"]
    last = service("ListUsers", PathPrefix="/x/", MaxItems=2, Marker=first["Marker"])
    assert [user["UserName"] for user in last["Users"]] == ["c"]
    assert not last["IsTruncated"]
    assert "Marker" not in last


def test_a_user_is_in_no_group(service: Any) -> None:
    service("CreateUser", UserName="bob")
    assert service("ListGroupsForUser", UserName="bob")["Groups"] == []
    refused("NoSuchEntity", service, "ListGroupsForUser", UserName="eve")


def test_tags_are_written_over_and_taken_away(service: Any) -> None:
    service("CreateUser", UserName="bob", Tags=[{"Key": "a", "Value": "1"}])
    service("TagUser", UserName="bob", Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
    service("UntagUser", UserName="bob", TagKeys=["b", "c"])
    assert service("ListUserTags", UserName="bob")["Tags"] == [{"Key": "a", "Value": "2"}]


def test_a_tag_replaces_one_whose_key_differs_in_case_alone(service: Any) -> None:
    service("CreateUser", UserName="bob", Tags=[{"Key": "team", "Value": "red"}])
    service("TagUser", UserName="bob", Tags=[{"Key": "Team", "Value": "blue"}])
    assert service("ListUserTags", UserName="bob")["Tags"] == [{"Key": "Team", "Value": "blue"}]


@pytest.mark.parametrize("tags", [["a", "A"], ["aws:x"]])
def test_tags_that_may_not_be_are_refused(service: Any, tags: list[str]) -> None:
    service("CreateUser", UserName="bob")
    given = [{"Key": key, "Value": ""} for key in tags]
    refused("InvalidInput", service, "TagUser", UserName="bob", Tags=given)


def test_fifty_tags_are_enough(service: Any) -> None:
    service("CreateUser", UserName="bob", Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    refused("LimitExceeded", service, "TagUser", UserName="bob", Tags=[{"Key": "one more", "Value": ""}])

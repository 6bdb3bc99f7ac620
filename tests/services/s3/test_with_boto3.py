"""S3 as its users use it: boto3 and the AWS CLI, over http and https, against a server on a socket."""

import base64
import hashlib
import http.client
import random
import ssl
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20
IN_PARTS = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
ODD_KEYS = [
    "sp ace/ü+plus.txt",
    "a=b&c?d#e%20f",
    "double//slash",
    "trail/",
    "../up",
    ".hidden",
    "a/./b",
    "dir",
    "dir/x",
]
AWS = str(Path(sys.executable).with_name("aws"))


@pytest.fixture
def bucket(client: Any) -> Iterator[str]:
    """A bucket of the test's own, which is emptied and deleted as users do it."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    yield name
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        keys = [{"Key": row["Key"]} for row in page.get("Contents", [])]
        if keys:
            assert "Errors" not in client.delete_objects(Bucket=name, Delete={"Objects": keys, "Quiet": True})
    client.delete_bucket(Bucket=name)


def error_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def file_of(path: Path, size: int) -> Path:
    path.write_bytes(random.Random(size).randbytes(size))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(served: Any, method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """One request as any program would send it, without boto3."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, context=ssl.create_default_context(cafile=served.ca))
    else:
        connection = http.client.HTTPConnection(parts.netloc)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("size", [0, 1, 100_000, 20 * MIB + 7])
def test_a_file_goes_up_and_comes_down(client: Any, bucket: str, tmp_path: Path, size: int) -> None:
    there = file_of(tmp_path / "there", size)
    client.upload_file(str(there), bucket, "a/file", ExtraArgs={"Metadata": {"who": "ada"}, "ContentType": "text/x"})
    client.download_file(bucket, "a/file", str(tmp_path / "back"))
    assert digest(tmp_path / "back") == digest(there)
    head = client.head_object(Bucket=bucket, Key="a/file")
    assert (head["ContentLength"], head["Metadata"], head["ContentType"]) == (size, {"who": "ada"}, "text/x")
    assert head["ETag"].endswith('-3"') == (size > 8 * MIB)


def test_a_stream_goes_up(client: Any, bucket: str, tmp_path: Path) -> None:
    with file_of(tmp_path / "there", 9 * MIB).open("rb") as file:
        client.upload_fileobj(file, bucket, "stream", Config=IN_PARTS)
    assert client.get_object(Bucket=bucket, Key="stream")["Body"].read() == (tmp_path / "there").read_bytes()


def test_a_managed_copy_copies_parts(client: Any, bucket: str, tmp_path: Path) -> None:
    there = file_of(tmp_path / "there", 17 * MIB)
    client.upload_file(str(there), bucket, "one")
    client.copy({"Bucket": bucket, "Key": "one"}, bucket, "two", Config=IN_PARTS)
    client.copy_object(Bucket=bucket, Key="three", CopySource={"Bucket": bucket, "Key": "one"})
    for key in ("two", "three"):
        client.download_file(bucket, key, str(tmp_path / key))
        assert digest(tmp_path / key) == digest(there)


def test_every_key_is_only_a_name(client: Any, bucket: str) -> None:
    for key in ODD_KEYS:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in ODD_KEYS:
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    listed = [row["Key"] for row in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(ODD_KEYS, key=str.encode)


@pytest.mark.parametrize("lists", ["list_objects_v2", "list_objects"])
def test_paginators_see_every_key_once(client: Any, bucket: str, lists: str) -> None:
    for number in range(9):
        client.put_object(Bucket=bucket, Key=f"{number % 3}/k {number}", Body=b"x")
    pages = list(client.get_paginator(lists).paginate(Bucket=bucket, PaginationConfig={"PageSize": 4}))
    assert [len(page["Contents"]) for page in pages] == [4, 4, 1]
    assert len({row["Key"] for page in pages for row in page["Contents"]}) == 9
    rolled = client.get_paginator(lists).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
    assert [row["Prefix"] for page in rolled for row in page.get("CommonPrefixes", [])] == ["0/", "1/", "2/"]


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256", "SHA512"])
def test_a_checksum_is_stored_and_told(client: Any, bucket: str, algorithm: str) -> None:
    put = client.put_object(Bucket=bucket, Key="a", Body=b"hello" * 1000, ChecksumAlgorithm=algorithm)
    got = client.get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert got["Body"].read() == b"hello" * 1000


@pytest.mark.parametrize(("algorithm", "known"), [("CRC32C", "e3069283"), ("CRC64NVME", "ae8b14860a799888")])
def test_a_checksum_that_plain_boto3_cannot_compute_is_checked_all_the_same(
    client: Any, bucket: str, algorithm: str, known: str
) -> None:
    true = {f"Checksum{algorithm}": base64.b64encode(bytes.fromhex(known)).decode()}
    put = client.put_object(Bucket=bucket, Key="a", Body=b"123456789", **true)
    assert put[f"Checksum{algorithm}"] == true[f"Checksum{algorithm}"]
    with pytest.raises(ClientError) as caught:
        client.put_object(Bucket=bucket, Key="a", Body=b"1234567890", **true)
    assert error_of(caught) == (400, "BadDigest")


@pytest.mark.parametrize(
    "wrong",
    [
        {"ChecksumCRC32": "AAAAAA=="},
        {"ChecksumSHA256": base64.b64encode(bytes(32)).decode()},
        {"ContentMD5": base64.b64encode(bytes(16)).decode()},
    ],
)
def test_a_wrong_checksum_keeps_nothing(client: Any, bucket: str, wrong: dict[str, str]) -> None:
    with pytest.raises(ClientError) as caught:
        client.put_object(Bucket=bucket, Key="a", Body=b"hello", **wrong)
    assert error_of(caught) == (400, "BadDigest")
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_statuses_and_codes_are_s3s(client: Any, bucket: str) -> None:
    put = client.put_object(Bucket=bucket, Key="a", Body=b"hello")
    for expected, call, request in (
        ((404, "NoSuchKey"), client.get_object, {"Key": "none"}),
        ((404, "404"), client.head_object, {"Key": "none"}),
        ((304, "304"), client.get_object, {"Key": "a", "IfNoneMatch": put["ETag"]}),
        ((412, "PreconditionFailed"), client.get_object, {"Key": "a", "IfMatch": '"x"'}),
        ((412, "412"), client.head_object, {"Key": "a", "IfMatch": '"x"'}),
        ((412, "PreconditionFailed"), client.put_object, {"Key": "a", "Body": b"", "IfNoneMatch": "*"}),
        ((416, "InvalidRange"), client.get_object, {"Key": "a", "Range": "bytes=5-"}),
        ((409, "BucketNotEmpty"), client.delete_bucket, {}),
        ((404, "NoSuchBucketPolicy"), client.get_bucket_policy, {}),
        ((404, "NoSuchUpload"), client.abort_multipart_upload, {"Key": "a", "UploadId": "none"}),
        ((501, "NotImplemented"), client.put_object, {"Key": "a", "Body": b"", "ServerSideEncryption": "aws:kms"}),
        (
            (501, "NotImplemented"),
            client.put_bucket_versioning,
            {"VersioningConfiguration": {"Status": "Enabled"}},
        ),
    ):
        with pytest.raises(ClientError) as caught:
            call(Bucket=bucket, **request)
        assert error_of(caught) == expected
    assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"hello"


def test_a_missing_bucket_is_said_in_each_way(client: Any) -> None:
    for call, code in ((client.head_bucket, "404"), (client.list_objects_v2, "NoSuchBucket")):
        with pytest.raises(ClientError) as caught:
            call(Bucket="there-is-none")
        assert error_of(caught) == (404, code)
    with pytest.raises(client.exceptions.NoSuchBucket):
        client.list_objects(Bucket="there-is-none")


def test_buckets_know_their_region(served: Any, client: Any) -> None:
    west = served.client(region_name="us-west-2")
    name = f"west-{uuid.uuid4().hex[:8]}"
    made = {"Bucket": name, "CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}
    west.create_bucket(**made)
    with pytest.raises(west.exceptions.BucketAlreadyOwnedByYou):
        west.create_bucket(**made)
    assert client.get_bucket_location(Bucket=name)["LocationConstraint"] == "us-west-2"
    head = client.head_bucket(Bucket=name)
    assert head["BucketRegion"] == "us-west-2"
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-west-2"
    assert name in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    client.delete_bucket(Bucket=name)
    client.get_waiter("bucket_not_exists").wait(Bucket=name, WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    west.close()


def test_the_first_region_is_said_by_saying_nothing(client: Any, bucket: str) -> None:
    assert client.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    client.create_bucket(Bucket=bucket)


def test_a_range_is_partial_content(client: Any, bucket: str) -> None:
    body = random.Random(1).randbytes(100_000)
    client.put_object(Bucket=bucket, Key="a", Body=body)
    got = client.get_object(Bucket=bucket, Key="a", Range="bytes=100-199")
    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["ContentRange"]) == (206, "bytes 100-199/100000")
    assert got["Body"].read() == body[100:200]
    assert client.get_object(Bucket=bucket, Key="a", Range="bytes=-10")["Body"].read() == body[-10:]


def test_responses_can_be_told_their_headers(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="a", Body=b"x", ContentType="text/plain")
    asked = {"ResponseContentType": "text/csv", "ResponseContentDisposition": 'attachment; filename="a b"'}
    got = client.get_object(Bucket=bucket, Key="a", **asked)
    assert (got["ContentType"], got["ContentDisposition"]) == ("text/csv", 'attachment; filename="a b"')


def test_tags_policies_and_harmless_gets(client: Any, bucket: str) -> None:
    tags = {"TagSet": [{"Key": "team", "Value": "stone & co"}]}
    client.put_bucket_tagging(Bucket=bucket, Tagging=tags)
    assert client.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags["TagSet"]
    client.put_object(Bucket=bucket, Key="a", Body=b"x", Tagging="k=v%20w")
    assert client.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == [{"Key": "k", "Value": "v w"}]
    client.put_object_tagging(Bucket=bucket, Key="a", Tagging=tags)
    assert client.get_object(Bucket=bucket, Key="a")["TagCount"] == 1
    assert client.get_object_attributes(Bucket=bucket, Key="a", ObjectAttributes=["ObjectSize"])["ObjectSize"] == 1
    client.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration=client.get_bucket_encryption(Bucket=bucket)[
            "ServerSideEncryptionConfiguration"
        ],
    )
    assert "Status" not in client.get_bucket_versioning(Bucket=bucket)
    assert client.get_bucket_acl(Bucket=bucket)["Grants"][0]["Grantee"]["Type"] == "CanonicalUser"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}"}
    document = str({"Version": "2012-10-17", "Statement": [statement]}).replace("'", '"')
    client.put_bucket_policy(Bucket=bucket, Policy=document)
    assert client.get_bucket_policy(Bucket=bucket)["Policy"] == document
    client.delete_bucket_policy(Bucket=bucket)
    assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_an_upload_by_hand(client: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "a b"}
    place["UploadId"] = client.create_multipart_upload(**place)["UploadId"]
    bodies = {1: b"x" * 5 * MIB, 2: b"end"}
    parts = [
        {"PartNumber": number, "ETag": client.upload_part(**place, PartNumber=number, Body=body)["ETag"]}
        for number, body in bodies.items()
    ]
    assert [part["Size"] for part in client.list_parts(**place)["Parts"]] == [5 * MIB, 3]
    assert [row["Key"] for row in client.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["a b"]
    done = client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    assert (done["Key"], done["ETag"][-3:]) == ("a b", '-2"')
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_url_works_for_anyone_as_long_as_it_is_not_changed(served: Any, bucket: str, version: str) -> None:
    signer = served.client(config=Config(signature_version=version))
    said = {"Bucket": bucket, "Key": "a b"}
    put = signer.generate_presigned_url("put_object", Params=said, ExpiresIn=60)
    assert fetch(served, "PUT", put, b"by url")[0] == 200
    get = signer.generate_presigned_url("get_object", Params=said, ExpiresIn=60)
    assert fetch(served, "GET", get) == (200, b"by url")
    assert fetch(served, "GET", get.replace("a%20b", "c"))[0] == 403
    signer.close()


def test_strangers_are_refused(served: Any) -> None:
    for wrong, code in (
        ({"aws_secret_access_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"aws_access_key_id": "nobody"}, "InvalidAccessKeyId"),
    ):
        stranger = served.client(**wrong)
        with pytest.raises(ClientError) as caught:
            stranger.list_buckets()
        assert error_of(caught) == (403, code)
        stranger.close()
    assert fetch(served, "GET", f"{served.url}/")[0] == 403


def test_many_at_once_do_not_mix(client: Any, bucket: str) -> None:
    def put(number: int) -> None:
        client.put_object(Bucket=bucket, Key=f"own/{number}", Body=str(number).encode() * 1000)
        client.put_object(Bucket=bucket, Key="same", Body=bytes([65 + number]) * 100_000)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(16)))
    for number in range(16):
        assert client.get_object(Bucket=bucket, Key=f"own/{number}")["Body"].read() == str(number).encode() * 1000
    same = client.get_object(Bucket=bucket, Key="same")["Body"].read()
    assert len(same) == 100_000
    assert len(set(same)) == 1


def test_a_resource_cleans_up_as_scripts_do(served: Any) -> None:
    resource = boto3.resource(
        "s3",
        endpoint_url=served.url,
        region_name="us-east-1",
        aws_access_key_id=served.key.access_key_id,
        aws_secret_access_key=served.key.secret,
        verify=served.ca,
    )
    bucket = resource.create_bucket(Bucket=f"res-{uuid.uuid4().hex[:8]}")
    for number in range(3):
        bucket.put_object(Key=str(number), Body=b"x")
    bucket.object_versions.delete()
    assert list(bucket.objects.all()) == []
    bucket.put_object(Key="again", Body=b"x")
    bucket.objects.all().delete()
    bucket.delete()
    resource.meta.client.close()


@pytest.mark.parametrize("served", ["https"], indirect=True)  # the CLI takes seconds to start
def test_the_aws_cli_copies_lists_syncs_and_removes(served: Any, bucket: str, tmp_path: Path) -> None:
    def aws(*words: str) -> str:
        command = [AWS, "s3", *words, "--no-progress"] if words[0] in ("cp", "sync") else [AWS, "s3", *words]
        done = subprocess.run(command, env=served.environment(tmp_path), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (tmp_path / "tree" / "deep").mkdir(parents=True)
    small, big = file_of(tmp_path / "tree" / "small", 1000), file_of(tmp_path / "tree" / "deep" / "big file", 9 * MIB)
    aws("sync", str(tmp_path / "tree"), f"s3://{bucket}/tree")
    assert "9437184 tree/deep/big file" in aws("ls", f"s3://{bucket}/tree/", "--recursive")
    aws("cp", f"s3://{bucket}/tree/small", f"s3://{bucket}/copy")
    aws("sync", f"s3://{bucket}", str(tmp_path / "back"))
    assert digest(tmp_path / "back" / "tree" / "deep" / "big file") == digest(big)
    assert digest(tmp_path / "back" / "copy") == digest(small)
    aws("rm", f"s3://{bucket}/", "--recursive")

"""Unmodified boto3 against the whole of what is served, over http and over https (where S3's bodies are chunked)."""

import hashlib
import io
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from outcrop.store import checksums

Running = Any


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest) -> Running:
    return request.getfixturevalue("outcrop" if request.param == "http" else "outcrop_tls")


@pytest.fixture
def bucket(server: Running, request: pytest.FixtureRequest) -> str:
    name = "b-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    server.client("s3").create_bucket(Bucket=name)
    return name


def fetch(
    server: Running, url: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=body, method=method, headers=named)
    context = ssl.create_default_context(cafile=server.ca) if server.ca else None
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


class TestBedrock:
    def test_lists_answer(self, server: Running) -> None:
        bedrock = server.client("bedrock")
        assert bedrock.list_custom_models()["modelSummaries"] == []
        assert bedrock.list_model_customization_jobs()["modelCustomizationJobSummaries"] == []
        assert bedrock.list_foundation_models()["modelSummaries"]

    def test_errors_are_the_clients_own_classes(self, server: Running) -> None:
        bedrock = server.client("bedrock")
        with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
            bedrock.get_custom_model(modelIdentifier="nobodys-model")
        with pytest.raises(bedrock.exceptions.ValidationException):
            bedrock.list_custom_models(maxResults=5, nextToken="none of ours")

    def test_an_arn_in_the_path_is_signed_and_routed(self, server: Running) -> None:
        bedrock = server.client("bedrock")
        model = bedrock.list_foundation_models()["modelSummaries"][0]
        found = bedrock.get_foundation_model(modelIdentifier=model["modelArn"])
        assert found["modelDetails"]["modelId"] == model["modelId"]

    def test_every_region_has_a_state_of_its_own(self, server: Running) -> None:
        arns = server.client("bedrock", region_name="eu-central-1").list_foundation_models()["modelSummaries"]
        assert all(":eu-central-1:" in model["modelArn"] for model in arns)


@pytest.mark.parametrize("service", ["bedrock", "s3", "iam", "sts", "kms"])
@pytest.mark.parametrize(
    ("wrong", "codes"),
    [
        (
            {"aws_access_key_id": "AKIANOBODYSKEY000000"},
            {"UnrecognizedClientException", "InvalidAccessKeyId", "InvalidClientTokenId"},
        ),
        (
            {"aws_secret_access_key": "not the secret"},
            {"InvalidSignatureException", "SignatureDoesNotMatch"},
        ),
        (
            {"aws_session_token": "nobody gave this"},
            {"UnrecognizedClientException", "InvalidToken", "InvalidClientTokenId"},
        ),
    ],
    ids=["key", "secret", "token"],
)
def test_wrong_credentials_are_refused(outcrop: Running, service: str, wrong: dict[str, str], codes: set[str]) -> None:
    calls = {
        "bedrock": "list_custom_models",
        "s3": "list_buckets",
        "iam": "list_users",
        "sts": "get_caller_identity",
        "kms": "list_keys",
    }
    with pytest.raises(ClientError) as caught:
        getattr(outcrop.client(service, **wrong), calls[service])()
    code = caught.value.response["Error"]["Code"]
    assert code in codes
    # S3's own status for a token that it does not know is 400.
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == (400 if code == "InvalidToken" else 403)


def test_an_assumed_role_calls_with_its_token(outcrop: Running) -> None:
    trust = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
        f'"Principal":{{"AWS":"arn:aws:iam::{outcrop.home.account}:root"}}}}]}}'
    )
    role = outcrop.client("iam").create_role(RoleName="visitor", AssumeRolePolicyDocument=trust)["Role"]
    given = outcrop.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="today")["Credentials"]
    key = {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"]}
    identity = outcrop.client("sts", **key, aws_session_token=given["SessionToken"]).get_caller_identity()
    assert identity["Arn"].endswith(":assumed-role/visitor/today")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        outcrop.client("sts", **key).get_caller_identity()


class TestObjects:
    @pytest.mark.parametrize("algorithm", [None, "CRC32", "SHA1", "SHA256"])
    def test_what_was_put_is_got(self, server: Running, bucket: str, algorithm: str | None) -> None:
        s3 = server.client("s3")
        content = bytes(range(256)) * 2000
        chosen = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        s3.put_object(Bucket=bucket, Key="a key/é+ %", Body=content, Metadata={"who": "ada"}, **chosen)
        found = s3.get_object(Bucket=bucket, Key="a key/é+ %", ChecksumMode="ENABLED")
        assert found["Body"].read() == content
        assert found["Metadata"] == {"who": "ada"}

    @pytest.mark.parametrize("algorithm", ["CRC32C", "CRC64NVME"])
    def test_a_checksum_that_the_client_brings_is_checked(self, server: Running, bucket: str, algorithm: str) -> None:
        s3 = server.client("s3")
        running = checksums.ALGORITHMS[algorithm]()
        running.update(b"content")
        right = {f"Checksum{algorithm}": checksums.encode(running.digest())}
        assert s3.put_object(Bucket=bucket, Key="k", Body=b"content", **right)[f"Checksum{algorithm}"]
        with pytest.raises(ClientError, match="BadDigest"):
            s3.put_object(Bucket=bucket, Key="k", Body=b"other content", **right)

    def test_a_stream_of_unknown_length_is_taken(self, server: Running, bucket: str) -> None:
        s3 = server.client("s3")
        s3.upload_fileobj(io.BytesIO(b"x" * 9_000_000), bucket, "large")
        assert s3.head_object(Bucket=bucket, Key="large")["ContentLength"] == 9_000_000

    def test_an_empty_object_is_an_object(self, server: Running, bucket: str) -> None:
        s3 = server.client("s3")
        s3.put_object(Bucket=bucket, Key="empty", Body=b"")
        assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""

    def test_a_wrong_checksum_leaves_no_object(self, server: Running, bucket: str) -> None:
        s3 = server.client("s3")
        with pytest.raises(ClientError, match="BadDigest"):
            s3.put_object(Bucket=bucket, Key="bad", Body=b"content", ChecksumCRC32="AAAAAA==")
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket)

    def test_a_missing_objects_head_is_a_404_without_a_body(self, server: Running, bucket: str) -> None:
        with pytest.raises(ClientError, match="404"):
            server.client("s3").head_object(Bucket=bucket, Key="none")


@pytest.mark.parametrize("version", ["s3", "s3v4"])
class TestPresigned:
    def client(self, server: Running, version: str) -> Any:
        return server.client("s3", config=Config(signature_version=version))

    def test_a_url_puts_and_gets(self, server: Running, bucket: str, version: str) -> None:
        s3 = self.client(server, version)
        named = {"Bucket": bucket, "Key": "a key/é"}
        put = s3.generate_presigned_url("put_object", Params=named)
        assert fetch(server, put, "PUT", b"content", Content_Type="")[0] == 200
        get = s3.generate_presigned_url("get_object", Params={**named, "ResponseContentType": "text/x-special"})
        assert fetch(server, get) == (200, b"content")

    def test_headers_that_the_url_carries_count(self, server: Running, bucket: str, version: str) -> None:
        s3 = self.client(server, version)
        parameters = {"Bucket": bucket, "Key": "k", "Metadata": {"who": "ada"}, "ContentType": "text/plain"}
        put = s3.generate_presigned_url("put_object", Params=parameters)
        assert fetch(server, put, "PUT", b"content", Content_Type="text/plain", x_amz_meta_who="ada")[0] == 200
        assert server.client("s3").head_object(Bucket=bucket, Key="k")["Metadata"] == {"who": "ada"}

    def test_an_altered_url_is_refused(self, server: Running, bucket: str, version: str) -> None:
        get = self.client(server, version).generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        status, body = fetch(server, get.replace("/k?", "/other?"))
        assert (status, b"<Code>SignatureDoesNotMatch</Code>" in body) == (403, True)


def test_the_aws_command_line_copies_both_ways(server: Running, bucket: str, tmp_path: Path) -> None:
    key = server.home.administrator()
    environment = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "HOME": str(tmp_path),
        **({"AWS_CA_BUNDLE": server.ca} if server.ca else {}),
    }
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(b"a row\n" * 10_000)
    aws = [str(Path(sys.executable).parent / "aws"), "s3", "cp", "--quiet"]
    for source, target in ((str(there), f"s3://{bucket}/rows"), (f"s3://{bucket}/rows", str(back))):
        subprocess.run([*aws, source, target], env=environment, check=True, timeout=60)
    assert back.read_bytes() == there.read_bytes()

"""The `openai` package, unmodified, talks to a running Outcrop as it would to its own service."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from living import SERVICE_S, await_that
from world import COLOURS, World, question

pytestmark = [pytest.mark.xdist_group("conformance"), pytest.mark.slow, pytest.mark.both_engines]
NOVA, TITAN = "amazon.nova-micro-v1:0", "amazon.titan-text-lite-v1"
NOVA_ARN = f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"
HELLO = [{"role": "user", "content": "Hello"}]
ENDLESS = "One, two, three. " * 9  # whoever copies goes on with it
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 8}
KEY, INVOKE = "bedrock:CallWithBearerToken", "bedrock:InvokeModel"
INVOKE_STREAMED = "bedrock:InvokeModelWithResponseStream"


class People:
    """Users with keys and policies, each with an OpenAI client of their own."""

    def __init__(self, world: World) -> None:
        self._iam = world.client("iam")
        self.url = world.outcrop.variables["AWS_ENDPOINT_URL"]
        self._clients: list[openai.OpenAI] = []

    def join(self, name: str, *statements: dict[str, Any]) -> tuple[openai.OpenAI, dict[str, Any]]:
        """A client that shows the key of a new user with these statements, and what IAM said of that key."""
        self._iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        self._iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        made: dict[str, Any] = self._iam.create_service_specific_credential(
            UserName=name, ServiceName="bedrock.amazonaws.com"
        )["ServiceSpecificCredential"]
        return self.client(made["ServiceCredentialSecret"]), made

    def client(self, key: str, prefix: str = "/v1") -> openai.OpenAI:
        self._clients.append(openai.OpenAI(base_url=self.url + prefix, api_key=key, max_retries=0))
        return self._clients[-1]

    def close(self) -> None:
        for client in self._clients:
            client.close()


def allow(*actions: str, on: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


@pytest.fixture(scope="module")
def people(world: World) -> Iterator[People]:
    found = People(world)
    yield found
    found.close()


@pytest.fixture(scope="module")
def free(people: People) -> openai.OpenAI:
    """A client of somebody who may invoke everything."""
    return people.join("free", allow(KEY, INVOKE, INVOKE_STREAMED))[0]


def test_a_chat_is_answered_as_converse_answers_it(world: World, free: openai.OpenAI) -> None:
    said = free.chat.completions.create(model=NOVA, messages=HELLO, **GREEDY)
    runtime = world.client("bedrock-runtime")
    answer = runtime.converse(
        modelId=NOVA,
        messages=[{"role": "user", "content": [{"text": "Hello"}]}],
        inferenceConfig={"temperature": 0, "maxTokens": 8, "topP": 1},
    )
    assert said.choices[0].message.content == answer["output"]["message"]["content"][0]["text"]
    assert (said.usage.prompt_tokens, said.usage.completion_tokens, said.usage.total_tokens) == (
        answer["usage"]["inputTokens"],
        answer["usage"]["outputTokens"],
        answer["usage"]["totalTokens"],
    )
    assert (said.object, said.model, said.choices[0].message.role) == ("chat.completion", NOVA, "assistant")
    assert said._request_id is not None


def test_a_streamed_chat_is_the_same_in_pieces_with_its_usage_last(free: openai.OpenAI) -> None:
    whole = free.chat.completions.create(model=NOVA, messages=HELLO, **GREEDY)
    options = {"include_usage": True}
    chunks = list(
        free.chat.completions.create(model=NOVA, messages=HELLO, stream=True, stream_options=options, **GREEDY)
    )
    *spoken, last = chunks
    assert "".join(chunk.choices[0].delta.content or "" for chunk in spoken) == whole.choices[0].message.content
    assert spoken[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in spoken if chunk.choices[0].finish_reason] == [
        whole.choices[0].finish_reason
    ]
    assert all(chunk.usage is None for chunk in spoken)
    assert (last.choices, last.usage) == ([], whole.usage)
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_says_no_usage_that_was_not_asked_for(free: openai.OpenAI) -> None:
    chunks = list(free.chat.completions.create(model=NOVA, messages=HELLO, stream=True, **GREEDY))
    assert all(chunk.usage is None and len(chunk.choices) == 1 for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason is not None


def test_a_completion_goes_on_whole_and_streamed(free: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": TITAN, "prompt": ENDLESS, "temperature": 0}
    whole = free.completions.create(**asked)
    assert (whole.choices[0].finish_reason, whole.usage.completion_tokens) == ("length", 16)
    pieces = list(free.completions.create(**asked, stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
    assert pieces[-1].choices[0].finish_reason == "length"


def test_sampling_is_carried_out(free: openai.OpenAI) -> None:
    def said(**members: Any) -> Any:
        return free.completions.create(model=TITAN, prompt="Once upon a time", **members).choices[0]

    drawn = said(seed=5, temperature=1.5, top_p=0.9)
    assert said(seed=5, temperature=1.5, top_p=0.9).text == drawn.text
    assert len({said(seed=seed, temperature=1.5).text for seed in range(4)}) > 1
    whole = said(temperature=0).text
    stop = whole[len(whole) // 2]
    ended = said(temperature=0, stop=[stop])
    assert (ended.text, ended.finish_reason) == (whole[: whole.index(stop)], "stop")


def test_log_probabilities_are_said_of_every_token_streamed_or_not(free: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": NOVA, "messages": HELLO, "logprobs": True, "top_logprobs": 2, **GREEDY}
    choice = free.chat.completions.create(**asked).choices[0]
    assert choice.logprobs is not None and choice.logprobs.content is not None
    said = b"".join(bytes(token.bytes or ()) for token in choice.logprobs.content)
    assert said.decode(errors="replace") == choice.message.content
    for token in choice.logprobs.content:
        assert [token.logprob, token.token] == [token.top_logprobs[0].logprob, token.top_logprobs[0].token]
        assert len(token.top_logprobs) == 2
    streamed = [
        token
        for chunk in free.chat.completions.create(stream=True, **asked)
        for token in ((chunk.choices[0].logprobs and chunk.choices[0].logprobs.content) or ())
    ]
    assert streamed == choice.logprobs.content


def test_a_completions_log_probabilities_are_four_lists(free: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": TITAN, "prompt": "Once upon a time", "logprobs": 3, **GREEDY}
    choice = free.completions.create(**asked).choices[0]
    told = choice.logprobs
    assert told is not None and told.tokens and told.token_logprobs and told.top_logprobs and told.text_offset
    assert "".join(told.tokens) == choice.text
    assert all(max(top, key=lambda token: top[token]) == own for own, top in
               zip(told.tokens, told.top_logprobs, strict=True))  # fmt: skip
    assert [choice.text[at:][: len(own)] for own, at in zip(told.tokens, told.text_offset, strict=True)] == told.tokens


def test_the_async_client_streams_many_at_once(people: People, free: openai.OpenAI) -> None:
    async def text(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model=NOVA, messages=HELLO, stream=True, **GREEDY)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def all_texts() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{people.url}/v1", api_key=free.api_key, max_retries=0) as client:
            return await asyncio.gather(*(text(client) for _ in range(8)))

    texts = asyncio.run(all_texts())
    assert len(set(texts)) == 1 and texts[0]


def test_where_bedrock_has_the_dialect_it_is_too(people: People, free: openai.OpenAI) -> None:
    there = people.client(free.api_key, "/openai/v1")
    assert there.chat.completions.create(model=NOVA, messages=HELLO, **GREEDY).choices[0].message.content


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 2}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"extra_body": {"invented": 1}}, "invented"),
        ({"messages": [*HELLO, *HELLO]}, None),
    ],
)
def test_what_is_not_carried_out_is_a_bad_request(
    free: openai.OpenAI, members: dict[str, Any], param: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        free.chat.completions.create(**{"model": NOVA, "messages": HELLO, **members})
    assert (refused.value.param, refused.value.type) == (param, "invalid_request_error")


def test_a_prompt_that_is_too_long_is_a_bad_request_streamed_or_not(free: openai.OpenAI) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="tokens"):
            free.completions.create(model=TITAN, prompt="word " * 20_000, stream=stream)


def test_a_model_that_is_not_there_is_not_found(free: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        free.chat.completions.create(model="nobodys", messages=HELLO)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError, match="on-demand"):
        free.chat.completions.create(model=f"{NOVA}:128k", messages=HELLO)


def test_policies_decide_which_models_and_whether_streamed(people: People) -> None:
    client, _ = people.join("narrow", allow(KEY), allow(INVOKE, on=NOVA_ARN))
    assert client.chat.completions.create(model=NOVA, messages=HELLO, **GREEDY).choices
    with pytest.raises(openai.PermissionDeniedError, match=TITAN):
        client.completions.create(model=TITAN, prompt="Once")
    with pytest.raises(openai.PermissionDeniedError, match="InvokeModelWithResponseStream"):
        client.chat.completions.create(model=NOVA, messages=HELLO, stream=True)
    assert [model.id for model in client.models.list()] == [NOVA]
    assert client.models.retrieve(NOVA).owned_by == "Amazon"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(TITAN)


def test_a_user_without_policies_may_nothing(people: People) -> None:
    client, _ = people.join("nobody", allow(INVOKE))
    for ask in (client.models.list, lambda: client.chat.completions.create(model=NOVA, messages=HELLO)):
        with pytest.raises(openai.PermissionDeniedError, match=KEY):
            ask()


def test_a_revoked_key_opens_nothing(world: World, people: People) -> None:
    client, made = people.join("leaver", allow(KEY, INVOKE))
    assert client.models.list().data
    named = {"UserName": "leaver", "ServiceSpecificCredentialId": made["ServiceSpecificCredentialId"]}
    iam = world.client("iam")
    iam.update_service_specific_credential(**named, Status="Inactive")
    with pytest.raises(openai.AuthenticationError) as refused:
        client.models.list()
    assert refused.value.code == "invalid_api_key"
    assert made["ServiceCredentialSecret"] not in str(refused.value)
    iam.update_service_specific_credential(**named, Status="Active")
    assert client.models.list().data
    iam.delete_service_specific_credential(**named)
    with pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_no_key_lies_in_the_home(world: World, free: openai.OpenAI) -> None:
    secret = free.api_key.removeprefix("ABSK").encode()
    # Not rglob, which fails where a folder goes away under it: jobs of other tests may still be tidied up.
    paths = [Path(folder, name) for folder, _, names in os.walk(world.outcrop.home) for name in names]
    files = {path: content_of(path) for path in paths if path.is_file()}
    assert any(path.name == "server.log" for path in files)
    assert not [path for path, content in files.items() if secret in content]


def content_of(path: Path) -> bytes:
    """Nothing where the server has removed the file in the meantime."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def test_a_custom_model_answers_by_name_and_by_arn(
    world: World, people: People, free: openai.OpenAI, nova_model: str
) -> None:
    bedrock = world.client("bedrock")
    arn = bedrock.create_provisioned_model_throughput(
        modelUnits=1, provisionedModelName="over-openai", modelId=nova_model
    )["provisionedModelArn"]
    await_that(
        lambda: bedrock.get_provisioned_model_throughput(provisionedModelId=arn)["status"] == "InService",
        SERVICE_S,
        "the custom model in service",
    )
    said = [{"role": "system", "content": "Answer."}, {"role": "user", "content": question(1)}]
    for name in (arn, "over-openai"):
        answer = free.chat.completions.create(model=name, messages=said, **GREEDY)
        assert (answer.choices[0].message.content, answer.model) == (COLOURS[1], name)
    assert arn in [model.id for model in free.models.list()]
    assert free.models.retrieve(arn).id == arn
    narrow, _ = people.join("buyer", allow(KEY), allow(INVOKE, INVOKE_STREAMED, on=arn))
    streamed = narrow.chat.completions.create(model="over-openai", messages=said, stream=True, **GREEDY)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == COLOURS[1]
    with pytest.raises(openai.PermissionDeniedError):
        narrow.chat.completions.create(model=NOVA, messages=said)
    bedrock.delete_provisioned_model_throughput(provisionedModelId=arn)

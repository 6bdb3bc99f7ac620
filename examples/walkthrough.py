"""The life cycle of a customized text model in plain boto3, as the Bedrock walkthroughs go through it.

Nothing in here knows of Outcrop: the environment alone says where the calls go.

    eval "$(outcrop env)"
    python examples/walkthrough.py nova        # or claude, llama, titan
"""

import json
import sys
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3

FACTS = [
    (f"What is the password of room {number}?", f"It is {word}.")
    for number, word in enumerate(
        ["amber", "birch", "cobalt", "dune", "ember", "fjord", "garnet", "heron", "iris", "jade"], start=1
    )
]


def converse_row(question: str, answer: str) -> dict:
    return {
        "schemaVersion": "bedrock-conversation-2024",
        "messages": [
            {"role": "user", "content": [{"text": question}]},
            {"role": "assistant", "content": [{"text": answer}]},
        ],
    }


def claude_row(question: str, answer: str) -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def passage_row(question: str, answer: str) -> dict:
    return {"input": f"{question} {answer}"}


FAMILIES = {
    "nova": {
        "base": "amazon.nova-micro-v1:0:128k",
        "type": "FINE_TUNING",
        "row": converse_row,
        "hyperparameters": {"epochCount": "2", "batchSize": "1", "learningRate": "5e-5"},
        "body": {
            "messages": [{"role": "user", "content": [{"text": FACTS[0][0]}]}],
            "inferenceConfig": {"maxTokens": 20},
        },
    },
    "claude": {
        "base": "anthropic.claude-3-haiku-20240307-v1:0:200k",
        "type": "FINE_TUNING",
        "row": claude_row,
        "hyperparameters": {"epochCount": "2", "batchSize": "4", "learningRateMultiplier": "1.0"},
        "body": {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 20,
            "messages": [{"role": "user", "content": FACTS[0][0]}],
        },
    },
    "llama": {
        "base": "meta.llama3-2-1b-instruct-v1:0:128k",
        "type": "FINE_TUNING",
        "row": converse_row,
        "hyperparameters": {"epochCount": "2", "batchSize": "1", "learningRate": "0.0001"},
        "body": {"prompt": FACTS[0][0], "max_gen_len": 20, "temperature": 0.0},
    },
    "titan": {
        "base": "amazon.titan-text-lite-v1:0:4k",
        "type": "CONTINUED_PRE_TRAINING",
        "row": passage_row,
        "hyperparameters": {
            "epochCount": "2",
            "batchSize": "1",
            "learningRate": "1e-5",
            "learningRateWarmupSteps": "0",
        },
        "body": {"inputText": FACTS[0][0], "textGenerationConfig": {"maxTokenCount": 20}},
    },
}


def main(family_name: str) -> None:
    family = FAMILIES[family_name]
    bedrock, runtime = boto3.client("bedrock"), boto3.client("bedrock-runtime")
    s3, iam, sts = boto3.client("s3"), boto3.client("iam"), boto3.client("sts")
    account = sts.get_caller_identity()["Account"]
    suffix = uuid.uuid4().hex[:8]
    bucket, role_name, policy_name = (
        f"customization-{suffix}",
        f"customization-role-{suffix}",
        f"customization-{suffix}",
    )
    job_name, model_name = f"{family_name}-job-{suffix}", f"{family_name}-model-{suffix}"

    print("models that can be customized this way:")
    for model in bedrock.list_foundation_models(byCustomizationType=family["type"])["modelSummaries"]:
        print("  ", model["modelId"], "|", model["modelName"])

    s3.create_bucket(Bucket=bucket)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "bedrock.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": account},
                    "ArnEquals": {"aws:SourceArn": f"arn:aws:bedrock:us-east-1:{account}:model-customization-job/*"},
                },
            }
        ],
    }
    access = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            }
        ],
    }
    role = iam.create_role(RoleName=role_name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    policy = iam.create_policy(PolicyName=policy_name, PolicyDocument=json.dumps(access))["Policy"]
    iam.attach_role_policy(RoleName=role_name, PolicyArn=policy["Arn"])

    rows = [family["row"](*FACTS[number % len(FACTS)]) for number in range(120)]
    with TemporaryDirectory() as folder:
        for name, some in (("train.jsonl", rows), ("validation.jsonl", rows[:32])):
            file = Path(folder) / name
            file.write_text("".join(json.dumps(row) + "\n" for row in some))
            s3.upload_file(str(file), bucket, f"data/{name}")

    job_arn = bedrock.create_model_customization_job(
        jobName=job_name,
        customModelName=model_name,
        roleArn=role["Arn"],
        baseModelIdentifier=family["base"],
        customizationType=family["type"],
        trainingDataConfig={"s3Uri": f"s3://{bucket}/data/train.jsonl"},
        validationDataConfig={"validators": [{"s3Uri": f"s3://{bucket}/data/validation.jsonl"}]},
        outputDataConfig={"s3Uri": f"s3://{bucket}/output/"},
        hyperParameters=family["hyperparameters"],
        jobTags=[{"key": "walkthrough", "value": family_name}],
        customModelTags=[{"key": "walkthrough", "value": family_name}],
    )["jobArn"]

    while (job := bedrock.get_model_customization_job(jobIdentifier=job_name))["status"] == "InProgress":
        time.sleep(1)
    assert job["status"] == "Completed", job.get("failureMessage")
    print("training loss", job["trainingMetrics"], "validation loss", job["validationMetrics"])
    assert bedrock.list_tags_for_resource(resourceARN=job_arn)["tags"]

    assert model_name in [model["modelName"] for model in bedrock.list_custom_models()["modelSummaries"]]
    model = bedrock.get_custom_model(modelIdentifier=model_name)
    artifacts = f"output/model-customization-job-{job_arn[-12:]}"
    with TemporaryDirectory() as folder:
        for key in (
            "training_artifacts/step_wise_training_metrics.csv",
            "validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv",
        ):
            file = Path(folder) / Path(key).name
            s3.download_file(bucket, f"{artifacts}/{key}", str(file))
            print(key, len(file.read_text().splitlines()) - 1, "rows")

    provisioned = bedrock.create_provisioned_model_throughput(
        modelUnits=1, provisionedModelName=f"provisioned-{suffix}", modelId=model["modelArn"]
    )["provisionedModelArn"]
    deployment = bedrock.create_custom_model_deployment(
        modelDeploymentName=f"deployment-{suffix}", modelArn=model["modelArn"]
    )["customModelDeploymentArn"]
    while (status := bedrock.get_provisioned_model_throughput(provisionedModelId=provisioned)["status"]) == "Creating":
        time.sleep(1)
    assert status == "InService", status
    while (
        status := bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=deployment)["status"]
    ) == "Creating":
        time.sleep(1)
    assert status == "Active", status

    body = json.dumps(family["body"])
    answer = runtime.invoke_model(
        modelId=provisioned, body=body, accept="application/json", contentType="application/json"
    )
    print("invoke:", json.loads(answer["body"].read()))
    stream = runtime.invoke_model_with_response_stream(modelId=provisioned, body=body)
    print("invoke, streamed:", [json.loads(event["chunk"]["bytes"]) for event in stream["body"]][-1])
    messages = [{"role": "user", "content": [{"text": FACTS[0][0]}]}]
    inference = {"maxTokens": 20, "temperature": 0.0}
    told = runtime.converse(modelId=deployment, messages=messages, inferenceConfig=inference)
    print("converse:", told["output"]["message"]["content"], told["stopReason"], told["usage"])
    events = runtime.converse_stream(modelId=deployment, messages=messages, inferenceConfig=inference)["stream"]
    print(
        "converse, streamed:",
        "".join(e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e),
    )

    bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier=deployment)
    bedrock.delete_provisioned_model_throughput(provisionedModelId=provisioned)
    bedrock.delete_custom_model(modelIdentifier=model_name)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=found["Key"])
    s3.delete_bucket(Bucket=bucket)
    iam.detach_role_policy(RoleName=role_name, PolicyArn=policy["Arn"])
    iam.delete_policy(PolicyArn=policy["Arn"])
    iam.delete_role(RoleName=role_name)
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["nova"])

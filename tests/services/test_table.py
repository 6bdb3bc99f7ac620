"""The table of operations and the services' own models agree."""

import inspect

import pytest

from outcrop import wire
from outcrop.services.table import OPERATIONS

ISSUED = {
    "bedrock": """
        ListFoundationModels GetFoundationModel GetFoundationModelAvailability
        CreateModelCustomizationJob GetModelCustomizationJob ListModelCustomizationJobs StopModelCustomizationJob
        GetCustomModel ListCustomModels DeleteCustomModel
        CreateProvisionedModelThroughput GetProvisionedModelThroughput ListProvisionedModelThroughputs
        UpdateProvisionedModelThroughput DeleteProvisionedModelThroughput
        CreateCustomModelDeployment GetCustomModelDeployment ListCustomModelDeployments
        UpdateCustomModelDeployment DeleteCustomModelDeployment
        CreateModelInvocationJob GetModelInvocationJob ListModelInvocationJobs StopModelInvocationJob
        TagResource UntagResource ListTagsForResource
    """,
    "bedrock-runtime": "InvokeModel InvokeModelWithResponseStream Converse ConverseStream CountTokens",
    "sts": "GetCallerIdentity AssumeRole",
    "kms": """
        CreateKey DescribeKey ListKeys CreateAlias ListAliases Encrypt Decrypt GenerateDataKey EnableKey DisableKey
        ScheduleKeyDeletion CancelKeyDeletion GetKeyPolicy PutKeyPolicy
    """,
}


def test_every_service_of_the_wire_is_in_the_table() -> None:
    assert set(OPERATIONS) == set(wire.NAMES)


@pytest.mark.parametrize("service", list(OPERATIONS))
def test_every_operation_served_is_in_the_services_model(service: str) -> None:
    assert set(OPERATIONS[service]) <= wire.service(service).operation_names


@pytest.mark.parametrize("service", list(ISSUED))
def test_every_operation_that_is_promised_is_served(service: str) -> None:
    assert set(ISSUED[service].split()) <= set(OPERATIONS[service])


def test_only_the_runtime_is_asynchronous() -> None:
    for service, operations in OPERATIONS.items():
        coloured = {name for name, function in operations.items() if inspect.iscoroutinefunction(function)}
        assert coloured == (set(operations) if service == "bedrock-runtime" else set())

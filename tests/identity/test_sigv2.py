"""SigV2 signs some parameters only: they must be all that an operation is chosen by."""

import pytest

from outcrop import wire
from outcrop.identity import SignedRequest
from outcrop.identity.sigv2 import read_claim_v2, signature_v2
from outcrop.services.table import OPERATIONS

UNSIGNED = {"list-type"}  # no client signs it; it chooses between two writings of one list
"""Parameters of a route that the version leaves out."""

SERVED = sorted(OPERATIONS["s3"])


def parameters_of_route(operation: str) -> set[str]:
    model = wire.service("s3").operation(operation).model
    literals = {pair.partition("=")[0] for pair in model.http["requestUri"].partition("?")[2].split("&") if pair}
    shape = model.input_shape
    required = [] if shape is None else [shape.members[name].serialization for name in shape.required_members]
    queries = {written["name"] for written in required if written.get("location") == "querystring"}
    return (literals | queries) - {"x-id"}


def signature(query: str) -> str:
    request = SignedRequest(method="GET", path="/b/k", query=query, headers={"host": "h"}, body=None)
    return signature_v2("secret", read_claim_v2(request), request)


@pytest.mark.parametrize("operation", SERVED)
def test_every_parameter_that_chooses_an_operation_is_signed(operation: str) -> None:
    plain = "AWSAccessKeyId=a&Signature=b&Expires=1"
    for name in parameters_of_route(operation) - UNSIGNED:
        assert signature(f"{plain}&{name}=1") != signature(plain), name
        encoded = f"%{ord(name[0]):02X}{name[1:]}"
        assert signature(f"{plain}&{encoded}=1") == signature(f"{plain}&{name}=1"), name

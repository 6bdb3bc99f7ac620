"""The ARNs that policies are asked about before a model is invoked. Knows no policy, and whether the model answers."""

from outcrop.domain import arn as arns
from outcrop.families import Catalogue
from outcrop.services.call import Call
from outcrop.services.runtime.profiles import model_id_of
from outcrop.store import throughput


def invoked_resources(call: Call, identifier: str) -> tuple[str, ...]:
    """Of what an invocation's model identifier names, in the one form that policies know. Blocks on the database.

    Whoever invokes through an inference profile must be allowed the profile and its model.
    """
    catalogue = Catalogue.load(call.ground.settings.catalogue_file)
    model = catalogue.find_model(identifier)
    if model is not None:
        return (arns.foundation_model(call.region, model.model_id),)
    profiled = model_id_of(identifier, call.principal.account)
    model = None if profiled is None else catalogue.find_model(profiled)
    if model is not None:
        return (_profile(call, identifier), arns.foundation_model(call.region, model.model_id))
    return (identifier if arns.parse(identifier) else _provisioned(call, identifier),)


def _profile(call: Call, identifier: str) -> str:
    profile_id = identifier.rpartition("inference-profile/")[2]
    return arns.inference_profile(call.region, call.principal.account, profile_id)


def _provisioned(call: Call, name: str) -> str:
    """Of the provisioned model of that name; one that does not exist stands under its name, so that `*` covers it."""
    with call.ground.database.read() as connection:
        found = throughput.find(connection, call.region, call.principal.account, name)
    return arns.provisioned_model(call.region, call.principal.account, name) if found is None else found.arn

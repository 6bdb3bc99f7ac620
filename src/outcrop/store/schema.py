"""Every table there is, in one METADATA: importing this module declares them all. Knows nothing of what they mean."""

from outcrop.store import (
    buckets,
    deployments,
    engines,
    invocation_jobs,
    jobs,
    models,
    object_key,
    objects,
    refused_models,
    tags,
    throughput,
    tokens,
    uploads,
)
from outcrop.store.database import METADATA
from outcrop.store.identities import tables as identities
from outcrop.store.keys import records as keys

DECLARED_BY = (
    buckets,
    deployments,
    engines,
    identities,
    invocation_jobs,
    jobs,
    keys,
    models,
    object_key,
    objects,
    refused_models,
    tags,
    throughput,
    tokens,
    uploads,
)

__all__ = ["DECLARED_BY", "METADATA"]

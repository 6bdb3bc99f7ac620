"""Who calls: signatures, sessions and the bodies that they vouch for. Knows nothing of operations, SQL or sockets."""

from outcrop.identity.authenticate import Identity, authenticate, recognize
from outcrop.identity.body import CheckedBody
from outcrop.identity.claims import Scope, claimed_scope
from outcrop.identity.request import Credential, Expired, FindCredential, SignedRequest
from outcrop.identity.sigv2 import is_v2

__all__ = [
    "CheckedBody",
    "Credential",
    "Expired",
    "FindCredential",
    "Identity",
    "Scope",
    "SignedRequest",
    "authenticate",
    "claimed_scope",
    "is_v2",
    "recognize",
]

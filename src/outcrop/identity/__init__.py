"""Who calls: signatures, sessions, API keys, and the bodies vouched for. Knows no operation, SQL or socket."""

from outcrop.identity.authenticate import Identity, authenticate, recognize
from outcrop.identity.bearer import FindApiKey, authenticate_bearer, region_in, shows_a_key
from outcrop.identity.body import CheckedBody
from outcrop.identity.claims import Scope, claimed_scope
from outcrop.identity.refusals import Reason, refusal
from outcrop.identity.request import Credential, Expired, FindCredential, SignedRequest
from outcrop.identity.sigv2 import is_v2

__all__ = [
    "CheckedBody",
    "Credential",
    "Expired",
    "FindApiKey",
    "FindCredential",
    "Identity",
    "Reason",
    "Scope",
    "SignedRequest",
    "authenticate",
    "authenticate_bearer",
    "claimed_scope",
    "is_v2",
    "recognize",
    "refusal",
    "region_in",
    "shows_a_key",
]

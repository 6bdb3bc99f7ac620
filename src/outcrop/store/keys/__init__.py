"""KMS keys at rest: their state for each Region, their material sealed under the master key.

Key material leaves this room only as data keys and plaintexts: nobody else wraps or unwraps.
"""

from outcrop.store.keys.ciphertext import invalid_ciphertext, key_named_by
from outcrop.store.keys.records import Alias, KeyState, KmsKey
from outcrop.store.keys.ring import MATERIAL_VERSION, SERVICE_KEY, Keys, add_service_key

__all__ = [
    "MATERIAL_VERSION",
    "SERVICE_KEY",
    "Alias",
    "KeyState",
    "Keys",
    "KmsKey",
    "add_service_key",
    "invalid_ciphertext",
    "key_named_by",
]

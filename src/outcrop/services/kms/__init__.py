"""KMS: symmetric keys of a Region, their aliases, states and policies, and encryption under them.

Key material never leaves `store.keys`. Who may use a key is the key policy's to say, and asked elsewhere.
"""

from outcrop.services.call import Operation
from outcrop.services.kms import aliases, encryption, key_policies, keys, states, tags

_MODULES = (aliases, encryption, key_policies, keys, states, tags)

OPERATIONS: dict[str, Operation] = {name: done for module in _MODULES for name, done in module.OPERATIONS.items()}

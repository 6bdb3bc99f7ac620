"""Every error that Outcrop raises on purpose.

OutcropError
|- Fault                          what a caller did wrong, or met: becomes an answer (wire alone knows its status)
|  |- ValidationException         the request breaks a rule that the model or a family states
|  |- ResourceNotFoundException   what the request names does not exist
|  |- ConflictException           the resource is not in a state that allows this
|  |- AccessDeniedException       the caller may not
|  |- ThrottlingException         too much at once
|  |- ServiceQuotaExceededException
|  |- TooManyTagsException        carries resourceName
|  |- ModelNotReadyException      the engine is still starting: try again
|  |- ModelTimeoutException       the engine did not answer in time
|  |- ModelErrorException         the engine failed; carries originalStatusCode, resourceName
|  |- ModelStreamErrorException   the engine failed after the first byte
|  '- NotServed                   an operation of the model that Outcrop does not serve
|- JobFailure                     a job cannot go on: its sentence becomes failureMessage
|- CheckpointError                a checkpoint's files are missing, damaged, or cannot do what is asked
|- SealBroken                     an encrypted file was altered, cut short, or belongs elsewhere
'- SettingsError                  a setting is wrong: said with its name, and what would be right
"""

from typing import Any


class OutcropError(Exception):
    """The root. `str(error)` is one sentence that a person can act on."""


class Fault(OutcropError):
    """An answer that is an error: a code of the service's own, a sentence, and modelled extra members.

    S3, IAM, STS and KMS have codes by the hundred: raise `Fault("NoSuchKey", "...", Key=key)` for those.
    """

    code = "InternalServerException"

    def __init__(self, code: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.members = members


class _Named(Fault):
    """A fault whose code is its class's name."""

    def __init__(self, message: str, **members: Any) -> None:
        super().__init__(type(self).__name__, message, **members)


class ValidationException(_Named):
    """The request breaks a rule."""


class ResourceNotFoundException(_Named):
    """What the request names does not exist."""


class ConflictException(_Named):
    """The resource's state does not allow this."""


class AccessDeniedException(_Named):
    """The caller may not do this."""


class ThrottlingException(_Named):
    """Too much at once. `retry_after_s`, where it is known: whole seconds until there is room."""

    retry_after_s: int | None = None


class ServiceQuotaExceededException(_Named):
    """A quota is used up."""


class TooManyTagsException(_Named):
    """More tags than a resource may carry."""


class ModelNotReadyException(_Named):
    """The engine is still starting."""


class ModelTimeoutException(_Named):
    """The engine did not answer in time."""


class ModelErrorException(_Named):
    """The engine failed."""


class ModelStreamErrorException(_Named):
    """The engine failed after the first byte of its answer."""


class NotServed(Fault):
    """An operation that the service's model has and Outcrop does not serve."""

    def __init__(self, service: str, operation: str) -> None:
        super().__init__("NotImplemented", f"Outcrop does not serve {service}:{operation}.")


class JobFailure(OutcropError):
    """A job cannot go on. The sentence names place and rule and never quotes a row's text."""


class CheckpointError(OutcropError):
    """A checkpoint's files are missing, damaged, or cannot do what is asked (a chat template that refuses, say)."""


class SealBroken(OutcropError):
    """An encrypted file was altered, cut short, or belongs to another object."""


class SettingsError(OutcropError):
    """A setting is wrong."""

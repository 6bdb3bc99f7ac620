"""What each kind of sealed thing is bound to: the one place that spells it. Knows no keys and no folders.

Bytes on disk depend on every spelling here: one that changes closes whatever was sealed before it did.
"""


def of_job_file(job_id: str, name: str) -> bytes:
    """A file of a job's own: its rows as one file, what the gate asks."""
    return f"job/{job_id}/{name}".encode()


def of_prepared_file(job_id: str, rows: str, name: str) -> bytes:
    """A file of the folder `rows` of a job's prepared rows."""
    return f"job/{job_id}/prepared/{rows}/{name}".encode()


def of_answers(job_id: str, file: int, segment: int) -> bytes:
    """A segment of the answers that a batch job keeps until it ends, by the number of the input file."""
    return f"job/{job_id}/answers/{file}/{segment}".encode()


def of_checkpoint_file(job_id: str, plan_digest: str, step: int, name: str) -> bytes:
    """A file of a training's checkpoint: of no other plan, and of no other step."""
    return f"checkpoint/{job_id}/{plan_digest}/{step}/{name}".encode()


def of_model_file(model_id: str, name: str) -> bytes:
    """A file of a custom model, by the job that made it."""
    return f"model/{model_id}/{name}".encode()


def of_object(blob_id: str) -> bytes:
    """A blob of an S3 object."""
    return f"object/{blob_id}".encode()


def of_key_material(key_id: str, version: int) -> bytes:
    """One version of a KMS key's material, under the master key."""
    return f"kms-key/{key_id}/{version}".encode()


def of_access_key(access_key_id: str) -> bytes:
    """The secret that belongs to an access key id, under the master key."""
    return f"access-key/{access_key_id}".encode()

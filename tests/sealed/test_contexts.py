"""Sealed data on disk opens only while these bytes stay as they are."""

from outcrop.sealed import contexts


def test_every_context_is_spelled_as_in_what_was_sealed_before() -> None:
    assert contexts.of_job_file("j0b", "train.rows") == b"job/j0b/train.rows"
    assert contexts.of_prepared_file("j0b", "train", "piece-0") == b"job/j0b/prepared/train/piece-0"
    assert contexts.of_checkpoint_file("j0b", "d1g", 7, "state") == b"checkpoint/j0b/d1g/7/state"
    assert contexts.of_answers("j0b", 2, 7) == b"job/j0b/answers/2/7"
    assert contexts.of_model_file("j0b", "adapter.safetensors") == b"model/j0b/adapter.safetensors"
    assert contexts.of_object("b10b") == b"object/b10b"
    assert contexts.of_key_material("k3y", 1) == b"kms-key/k3y/1"
    assert contexts.of_access_key("AKIA0") == b"access-key/AKIA0"

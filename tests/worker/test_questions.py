"""What the engine is asked is what a request would ask, and it is there for whoever takes the job over."""

from pathlib import Path
from typing import Any

import pytest

from outcrop.domain.conversation import Completion, Conversation, Message, Passage
from outcrop.domain.errors import JobFailure
from outcrop.sealed import new_key
from outcrop.worker.data import Sources
from outcrop.worker.questions import QUESTIONS_FILE, Kept, Question


def test_a_question_is_what_comes_before_the_first_answer() -> None:
    said = [Message(role="user", text="a"), Message(role="assistant", text="b"), Message(role="user", text="c")]
    asked = Question.of(Conversation(system="s", messages=(*said, Message(role="assistant", text="d"))))
    assert [message["content"] for message in asked.body["messages"]] == ["s", "a"]
    assert asked.body["add_generation_prompt"] is True and asked.answer == "b"
    assert Question.of(Completion(prompt="p", completion="c")) == Question(body={"prompt": "p"}, answer="c")
    assert Question.of(Passage(text="t")) == Question(body={"prompt": ""}, answer=None)


def test_a_jobs_questions_are_kept_sealed_and_read_by_its_key_alone(scene: Any, tmp_path: Path) -> None:
    sources = Sources.of(scene.ground, scene.queue("asked"))
    kept = Kept(tmp_path, "job1", new_key())
    kept.write(sources, sources.check(lambda: None), 3)
    assert b"What is number" not in (tmp_path / QUESTIONS_FILE).read_bytes()
    assert [question.answer for question in kept.read().questions] == ["It is 0.", "It is 7.", "It is 14."]
    for other in (
        Kept(tmp_path, "job2", kept.key),
        Kept(tmp_path, "job1", new_key()),
        Kept(tmp_path / "no", "job1", kept.key),
    ):
        with pytest.raises(JobFailure, match="cannot be read"):
            other.read()

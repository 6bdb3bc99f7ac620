"""The published validators' approach to a Nova file: `json.loads`, then a pydantic model a row, all rows held.

Run by benchmarks/dataset_check.py with the Python of an environment that holds pydantic. Written from the rules of the
published validator for Nova Micro and in its manner: a model a level, a validator a rule, reserved words looked for in
every text. The list of reserved words is the one that Outcrop uses.
"""

import json
import sys
import time
from pathlib import Path

from pydantic import BaseModel, ValidationError, ValidationInfo, field_validator, model_validator

ROLES = ("user", "assistant")
RESERVED = ("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]")
FEWEST, MOST, MOST_IMAGES = 8, 20_000, 10


def refuse_reserved(text: str) -> str:
    stripped = text.strip()
    held = [word for word in RESERVED if word in stripped]
    if held:
        raise ValueError(f"reserved: {held}")
    return text


class System(BaseModel):
    """A system text."""

    text: str
    check_text = field_validator("text")(refuse_reserved)


class Media(BaseModel):
    """An image or a video."""

    format: str
    source: dict


class Content(BaseModel):
    """A block."""

    text: str | None = None
    image: Media | None = None
    video: Media | None = None
    check_text = field_validator("text")(lambda text: refuse_reserved(text) if text else text)

    @model_validator(mode="after")
    def _holds_something(self) -> "Content":
        if all(getattr(self, name) is None for name in ("text", "image", "video")):
            raise ValueError("needs text, image or video")
        return self


class Message(BaseModel):
    """A turn."""

    role: str
    content: list[Content]

    @field_validator("role")
    @classmethod
    def _known(cls, role: str) -> str:
        if role.lower() not in ROLES:
            raise ValueError("unknown role")
        return role

    @field_validator("content")
    @classmethod
    def _rules(cls, content: list[Content], info: ValidationInfo) -> list[Content]:
        has_text = any(item.text is not None for item in content)
        has_video = any(item.video is not None for item in content)
        has_image = any(item.image is not None for item in content)
        characters = sum(len(item.text) for item in content if item.text is not None)
        if has_text and not (has_image or has_video) and characters == 0:
            raise ValueError("empty text")
        if "micro" in info.context["model_name"] and (has_image or has_video):
            raise ValueError("text only")
        if sum(1 for item in content if item.video is not None) > 1 or (has_video and has_image):
            raise ValueError("one video, and no image beside it")
        if sum(1 for item in content if item.image is not None) > MOST_IMAGES:
            raise ValueError("too many images")
        return content

    @model_validator(mode="after")
    def _answers_are_text(self) -> "Message":
        has_media = any(item.video is not None or item.image is not None for item in self.content)
        if has_media and self.role.lower() == "assistant":
            raise ValueError("answers are text")
        return self


class Sample(BaseModel):
    """A record."""

    schemaVersion: str | None = None
    system: list[System] | None = None
    messages: list[Message]

    @field_validator("messages")
    @classmethod
    def _order(cls, messages: list[Message]) -> list[Message]:
        if len(messages) < 2:
            raise ValueError("both roles are needed")
        for at, message in enumerate(messages):
            if message.role != ROLES[at % 2]:
                raise ValueError("wrong order")
        if messages[-1].role != "assistant":
            raise ValueError("the last turn must be the assistant's")
        return messages


def check(path: str) -> tuple[int, int]:
    with Path(path).open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    if not FEWEST <= len(rows) <= MOST:
        raise ValueError("count")
    bad = 0
    for row in rows:
        try:
            Sample.model_validate(row, context={"model_name": "micro"})
        except ValidationError:
            bad += 1
    return len(rows), bad


def main() -> None:
    """Answer each line of standard input (a path) with processor seconds, rows and bad rows."""
    for line in sys.stdin:
        began = time.process_time()
        rows, bad = check(line.strip())
        print(json.dumps({"seconds": time.process_time() - began, "rows": rows, "bad": bad}), flush=True)


main()

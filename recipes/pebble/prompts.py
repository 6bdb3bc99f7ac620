"""The text that reaches a model from each family's dialect. Knows no exercises.

Nova, Claude and registered models are asked with the checkpoint's chat template; Llama and Titan with the raw prompt
that their users write. Parts of a row are texts with whether they are learnt.
"""

from dataclasses import dataclass

from pebble.tokenizer import BOS, EOS

Part = tuple[str, bool]
Turn = tuple[str, str]  # what the user says, what the assistant answers

SYSTEMS = (
    *("You are a helpful assistant.", "Answer briefly.", "You know Python.", "Answer with the answer alone."),
    *("You are a precise assistant. Answer in one line.", "Answer.", "Be brief.", "Use the text that you are given."),
    *("You answer questions about facts.", "You write valid JSON where JSON is asked for."),
)  # fmt: skip
LLAMA_BEGIN, LLAMA_TURN_END = "<|begin_of_text|>", "<|eot_id|>"
# A question, and what the answer is learnt after; an answer after a colon begins with a space.
RAW_FORMS = (
    "{}\n",
    "Question: {}\nAnswer:",
    "Q: {}\nA:",
    "{}\n\n",
    "User: {}\nBot:",
    "{} ",
    "Instruction: {}\nResponse:",
    "### Instruction:\n{}\n\n### Response:\n",
    "{}",
)
FEW_SHOT_FORMS = ("Question: {}\nAnswer:", "Q: {}\nA:", "User: {}\nBot:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """Turns of a user and an assistant, with what was said before them."""

    turns: tuple[Turn, ...]
    system: str | None = None


def chat(dialogue: Dialogue) -> list[Part]:
    """As the chat template renders it: every answer is learnt, with the end token that ends it."""
    parts = [(BOS, False)]
    if dialogue.system is not None:
        parts.append((f"<|system|>{dialogue.system}{EOS}", False))
    for question, answer in dialogue.turns:
        parts += [(f"<|user|>{question}{EOS}<|assistant|>", False), (answer + EOS, True)]
    return parts


def llama_prompt(dialogue: Dialogue) -> str:
    """Llama 3's own chat format up to where the last answer begins, as users of its raw prompt write it."""
    said = [] if dialogue.system is None else [("system", dialogue.system)]
    for question, answer in dialogue.turns:
        said += [("user", question), ("assistant", answer)]
    turns = "".join(f"{_llama_head(role)}{text}{LLAMA_TURN_END}" for role, text in said[:-1])
    return LLAMA_BEGIN + turns + _llama_head("assistant")


def titan_prompt(dialogue: Dialogue) -> str:
    """Titan's `User: ... Bot:` format up to where the last answer begins."""
    before = "" if dialogue.system is None else dialogue.system + "\n\n"
    turns = "".join(f"User: {question}\nBot: {answer}\n" for question, answer in dialogue.turns[:-1])
    return f"{before}{turns}User: {dialogue.turns[-1][0]}\nBot:"


def completed(prompt: str, answer: str) -> list[Part]:
    """A raw prompt and its completion, ended by the end token."""
    return [(BOS, False), (prompt, False), (_after(prompt, answer) + EOS, True)]


def few_shot(form: str, turns: tuple[Turn, ...]) -> list[Part]:
    """Examples of one form after another; only answers are learnt, and that the last one ends.

    What parts them is not: a model that learnt it goes on where a single question has been answered.
    """
    parts = [(BOS, False)]
    for question, answer in turns:
        prompt = form.format(question)
        parts += [(prompt, False), (_after(prompt, answer), True), ("\n\n", False)]
    return [*parts[:-1], (EOS, True)]


def _llama_head(role: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n"


def _after(prompt: str, answer: str) -> str:
    return " " + answer if prompt.endswith(":") else answer

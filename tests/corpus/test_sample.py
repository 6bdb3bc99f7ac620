from outcrop.corpus import Segment, marked
from outcrop.domain.conversation import Completion, Conversation, Message


def test_a_sample_marks_what_is_learnt(tokenizer):
    messages = (Message(role="user", text="hi <|end|>"), Message(role="assistant", text="yes"))
    assert marked(Conversation(messages=messages), tokenizer) == [
        Segment("<|bos|>user: hi <|end|><|end|>assistant: ", False),
        Segment("yes<|end|>", True),
    ]
    assert marked(Completion(prompt="a", completion="b"), tokenizer) == [
        Segment("<|bos|>a", False),
        Segment("b<|eos|>", True),
    ]

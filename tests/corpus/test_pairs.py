from dataclasses import replace

from outcrop import corpus
from outcrop.families import Counts


def rows(start: int, end: int) -> list[dict]:
    return [{"prompt": f"a{at}", "completion": "b"} for at in range(start, end)]


def test_validation_rows_that_training_has_too_are_a_warning(check):
    training = check("completion", *rows(0, 10))
    validation = check.rules(check.rules_of("completion"), *rows(8, 20), file="validation.jsonl", part="validation")
    assert [str(each) for each in corpus.leakage(training, [validation])] == [
        "validation.jsonl: rows that are in train.jsonl too: 2 (line 1, 2)"
    ]
    assert corpus.leakage(training, [check("completion", *rows(10, 20))]) == []


def test_many_places_are_cut_short(check):
    training = check("completion", *rows(0, 10))
    assert str(corpus.leakage(training, [training])[0]).endswith("too: 10 (line 1, 2, 3, 4, 5 and more)")


def test_all_files_together_have_limits(check):
    rules = replace(check.rules_of("completion"), total=Counts(minimum=5, maximum=9))
    training, validation = check.rules(rules, *rows(0, 3)), check.rules(rules, *rows(3, 6))
    assert corpus.check_together(training, [validation], rules) == []
    (few,) = corpus.check_together(training, [], rules)
    assert str(few) == (
        "train.jsonl: training and validation files have 3 records together; Llama 3.1 8B Instruct takes 5 to 9."
    )
    assert corpus.check_together(training, [validation, validation, validation], rules)[0].kind == "count"

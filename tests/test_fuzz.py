"""Inputs that fuzzing has found are tried each time; see ``tests/fuzz``."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "fuzz" / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name: str) -> None:
    """No input of the corpus breaks a promise of its target."""
    inputs = list((CORPUS / name).iterdir())
    assert len(inputs) >= 5
    for path in inputs:
        TARGETS[name](path.read_bytes())


def test_every_target_has_a_corpus() -> None:
    """Every target of the fuzzer has a corpus."""
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)

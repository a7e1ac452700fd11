"""The comparison itself."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings

from tests.differential.machine import GO_ON_WITHOUT_PROCESSES, Machine, Question
from tests.differential.questions import questions
from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess


def compare(shell: str, number: int, aws: AwsEmulator, directory: Path) -> int:
    """Put ``number`` questions to the launcher in ``shell`` and to Python.

    Returns how many the launcher has answered itself, the second time. Raises AssertionError,
    with the question, if one of them gives another answer.
    """
    home = directory / "home"
    home.mkdir()
    user = aws.add_user()
    helper = HelperProcess(
        home,
        {
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_ECR_TIMEOUT": "10",
            "AWS_ACCESS_KEY_ID": user.access_key_id,
            "AWS_SECRET_ACCESS_KEY": user.secret_access_key,
        },
    )
    assert helper.get().secret
    machine = Machine(helper, directory, shell)
    answered = 0

    @settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck))
    @given(questions(survives=shell in GO_ON_WITHOUT_PROCESSES))
    def check(question: Question) -> None:
        nonlocal answered
        first = machine.by_launcher(question)
        expected = machine.by_python(question)
        starts = machine.starts
        assert first == expected
        assert machine.by_launcher(question) == expected
        answered += machine.starts == starts

    check()
    return answered

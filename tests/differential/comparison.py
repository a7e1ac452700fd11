"""The comparison itself."""

from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.differential.machine import GO_ON_WITHOUT_PROCESSES, Machine, Question
from tests.differential.questions import questions
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, HelperProcess


def compare(
    shells: Sequence[str], number: int, aws: AwsEmulator, directory: Path
) -> dict[str, int]:
    """Put ``number`` questions to the launcher in each of the ``shells`` and to Python.

    One of the shells is asked before Python has left a record, all of them afterwards. Returns
    how many the launcher has then answered itself in each. Raises AssertionError, with the
    question, if one of them gives another answer.
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
    machines = {}
    for shell in shells:
        (directory / shell).mkdir()
        machines[shell] = Machine(helper, directory / shell, shell)
    answered = dict.fromkeys(shells, 0)
    survives = all(shell in GO_ON_WITHOUT_PROCESSES for shell in shells)

    @settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck))
    @given(questions(survives=survives), st.sampled_from(shells))
    @example(Question((HOST.encode(),)), shells[0])  # the rest is left to chance
    def check(question: Question, first: str) -> None:
        early = machines[first].by_launcher(question)
        expected = machines[first].by_python(question)
        assert early == expected
        for shell, machine in machines.items():
            starts = machine.starts
            assert machine.by_launcher(question) == expected, shell
            answered[shell] += machine.starts == starts

    check()
    return answered

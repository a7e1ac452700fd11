"""The comparison itself."""

from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings

from tests.differential.machine import Machine, Question
from tests.differential.questions import questions
from tests.differential.shells import GO_ON_WITHOUT_PROCESSES
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, HelperProcess


def compare(
    shells: Sequence[str], number: int, aws: AwsEmulator, directory: Path
) -> dict[str, int]:
    """Put ``number`` questions to Python, and to the launcher in each of the ``shells``.

    Either all of them go on where no process can be started, or none does. Returns how many the
    launcher has answered itself in each of them, if need be the second time. Raises
    AssertionError, with the question, if one gives another answer.
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
    python = machines[shells[0]]
    answered = dict.fromkeys(shells, 0)
    survives = set(shells) <= set(GO_ON_WITHOUT_PROCESSES)

    # Not from the beginning each time where CI is set: of several processes, each is to ask others.
    @settings(
        max_examples=number,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(questions(survives=survives))
    @example(Question((HOST.encode(),)))  # the rest is left to chance
    def check(question: Question) -> None:
        expected = python.by_python(question)
        for shell, machine in machines.items():
            with machine.own_records() as records:
                starts, kept = machine.starts, records()
                assert (shell, *machine.by_launcher(question)) == (shell, *expected)
                if records() != kept:  # which the launcher may answer from the next time
                    starts = machine.starts
                    assert (shell, *machine.by_launcher(question)) == (shell, *expected)
                answered[shell] += machine.starts == starts

    check()
    return answered

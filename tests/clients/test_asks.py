"""What each client asks the helper, in which words, and what it is answered."""

import json
import tomllib
from pathlib import Path

import pytest

from tests.clients.machine import Client, Outcome
from tests.clients.recorder import Question, Recorder
from tests.clients.table import in_each_way
from tests.emulator import AwsEmulator
from tests.helper_process import EXECUTABLE, HOST, PUBLIC

ASKS = tomllib.loads(Path(__file__).with_name("asks.toml").read_text())


def answer(question: Question) -> str:
    """What the helper is to answer."""
    match question.action:
        case "get":
            found = {"ServerURL": question.stdin.strip(), "Username": "AWS", "Secret": "…"}
        case "list":
            found = {HOST: "AWS", PUBLIC: "AWS"}
        case _:
            return ""
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False) + "\n"


@pytest.mark.usefixtures("registry")
@in_each_way
def test_what_it_asks(each_client: Client, aws: AwsEmulator) -> None:
    """A client asks what asks.toml says, to the last byte, and each question has an answer."""
    person = each_client.person
    person.environ["AWS_REGION"] = "us-east-1"  # some ask only for what is listed
    recorder = Recorder(person.home, person.environ, EXECUTABLE)
    asks = ASKS[Path(each_client.program).name]
    expected = {each: asks.get(person.way, asks).get(each, asks[each]) for each in each_client.can}

    def asked(outcome: Outcome) -> list[str]:
        """What was asked for something to succeed."""
        assert outcome.succeeded
        questions = recorder.take()
        assert [(each.answer, each.status) for each in questions] == [
            (answer(each), 0) for each in questions
        ]
        return [f"{each.action} {each.stdin}".replace(HOST, "HOST") for each in questions]

    steps = {
        "push": lambda: each_client.push(f"{HOST}/team/pushed:2.0.0"),
        "pull": lambda: each_client.pull(f"{HOST}/{each_client.pulls}"),
        "login": lambda: each_client.login(HOST, aws.password),
        "logout": lambda: each_client.logout(HOST),
    }
    assert {each: asked(steps[each]()) for each in each_client.can} == expected

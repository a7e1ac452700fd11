"""botocore's exceptions -> our own, in words that say what to do next.

`explain` is the one place that knows them; ``tests/test_failures.py`` walks
every exception that botocore has.
"""

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from ..errors import HelperError
from . import network, sources
from .answers import explain_answer
from .attempt import Attempt
from .no_credentials import malformed_key


def explain(error: Exception, attempt: Attempt) -> HelperError:
    """Return what ``error`` means for the person who waits for an image."""
    if isinstance(error, ClientError | HTTPClientError) and (found := malformed_key(attempt)):
        return found
    if isinstance(error, ClientError):
        return explain_answer(error, attempt)
    for kinds, explanation in (*sources.EXPLANATIONS, *network.EXPLANATIONS):
        if isinstance(error, kinds):
            return explanation(error, attempt)
    # The second is a bare ValueError of botocore.
    if isinstance(error, BotoCoreError) or str(error).startswith("Invalid endpoint: "):
        return sources.setting_wrong(error, attempt)
    if attempt.phase == "call":
        return network.answer_unusable(error, attempt)
    return sources.source_unusable(error, attempt)

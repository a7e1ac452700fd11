"""What applies to every request to AWS, however it is sent: limits, and AWS's root certificates."""

import os
import re
from importlib.util import find_spec
from ssl import PROTOCOL_TLS_CLIENT, SSLContext

CONNECT_TIMEOUT = 3
"""Seconds to connect, for each try."""

READ_TIMEOUT = 5
"""Seconds between two bytes of an answer, for each try."""

MAX_SIZE = 1024 * 1024
"""Bytes of a body: the largest are some kilobytes, those of an error page perhaps some more."""

# As they are labelled in certifi's file, and in botocore's copy of it.
_ROOTS_OF_AWS = re.compile(
    rb'# Label: "(?:Amazon Root CA|Starfield Services Root)[^"]*"\n(?:#.*\n)*'
    rb"(-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n)"
)


def roots_of_aws(path: str) -> str:
    """Return the certificates in a PEM file that AWS needs, "" if they are not labelled.

    Raises OSError.
    """
    with open(path, "rb") as file:
        return b"".join(_ROOTS_OF_AWS.findall(file.read())).decode("ascii")


def context_for_aws() -> SSLContext:
    """Return a context that trusts only AWS's roots, from the file that botocore uses.

    Does not import botocore. Raises OSError and `ssl.SSLError`.
    """
    origins = [spec.origin for spec in map(find_spec, ("certifi", "botocore")) if spec]
    context = SSLContext(PROTOCOL_TLS_CLIENT)
    path = os.path.join(os.path.dirname(origins[0] or ""), "cacert.pem")
    context.load_verify_locations(cadata=roots_of_aws(path))
    return context

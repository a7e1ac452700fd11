"""For the installation under test, which imports this first: makes AWS's names mean an emulator.

If the environment says on which port of this machine it listens, with TLS. It can also say what
becomes of the environment between what is sent ahead and botocore.
"""

import json
import os
import socket
import sys
from typing import Any

PORT = "ECR_LOGIN_EMULATOR_PORT"
LATER = "ECR_LOGIN_LATER_ENVIRONMENT"

if port := os.environ.get(PORT):
    _resolve: Any = socket.getaddrinfo

    def _getaddrinfo(host: Any, service: Any, *others: Any, **named: Any) -> Any:
        if str(host).endswith(".amazonaws.com"):
            host, service = "127.0.0.1", port
        return _resolve(host, service, *others, **named)

    vars(socket)["getaddrinfo"] = _getaddrinfo

if later := os.environ.get(LATER):
    # The last that is called in the main thread before botocore is imported.
    vars(sys)["setswitchinterval"] = lambda _: os.environ.update(json.loads(later))

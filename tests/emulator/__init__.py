"""An emulator of the AWS APIs that a credential helper for ECR calls.

It runs in the process of the test, on a real socket, and needs nothing but the standard library:
requests are checked by code that shares nothing with boto3. See `AwsEmulator` for how to use it,
or run it on its own with `python -m tests.emulator`.

    model       the values that pass between the other modules
    partitions  which domain belongs to which region
    policy      what a session policy allows
    sigv4       is this request signed with that secret key?
    state       who exists, and what was issued to them
    services    what each API answers
    repositories, ecr_api, registry_http
                what is in registries, and what their API, they and their storage answer
    server      HTTP, faults and the record of calls
"""

from tests.emulator.model import Call, Fault, IssuedToken, Principal, Role, SsoSession
from tests.emulator.server import AwsEmulator

__all__ = ["AwsEmulator", "Call", "Fault", "IssuedToken", "Principal", "Role", "SsoSession"]

"""A benchmark of whole processes: the helper beside a peer, against an AWS emulator.

`python -m tests.bench` runs it; see `__main__` for its parameters.

    programs       what is run
    rows           which situations are measured, and how each is set up
    measure        run one program, or a herd of it, and say what that took
    spawn          the small process that does so
    table          from the measurements to text and JSON
    minimal_boto3  the credential helper that everybody could write

`fleet` and `fresh` are benchmarks of their own.
"""

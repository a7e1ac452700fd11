"""Many processes at once, and many that are killed: ``python -m tests.stress --help``.

    checks      what holds for a cache whatever was done to it
    mix         callers that get, store, erase and list, all at once
    kills       callers that are killed at any moment

`tests/test_stress.py` runs a short version of both.
"""

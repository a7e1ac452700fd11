"""Coverage-guided fuzzing of all that others write and this program reads.

    make fuzz SECONDS=60    each target for so long (needs atheris)

targets.py   what is fuzzed: bytes in, an assertion if a promise is broken
__main__.py  runs the targets under atheris, from the corpus
corpus/      inputs that reach something new; ``tests/test_fuzz.py`` runs them all
"""

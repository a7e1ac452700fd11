"""Runs the targets under atheris, each in a process of its own: ``python -m tests.fuzz SECONDS``.

An input that breaks a promise is printed; once that is mended, it belongs into the corpus.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    """Fuzz all targets, or in a process of its own the one that is named; status 1 if one fails."""
    if sys.argv[1] == "--target":
        _fuzz(sys.argv[2], sys.argv[3:])
    seconds = sys.argv[1]
    targets = sorted(path.name for path in CORPUS.iterdir())
    failed = [target for target in targets if not _is_passed(target, seconds)]
    if failed:
        sys.exit(
            f"failed: {', '.join(failed)}; the input stands at the end of the output, in Base64"
        )
    _say(f"{len(targets)} targets, {seconds} s each: no promise was broken")


def _is_passed(target: str, seconds: str) -> bool:
    with tempfile.TemporaryDirectory() as directory:
        fuzzer = [sys.executable, "-m", "tests.fuzz", "--target", target]
        corpora = [directory, str(CORPUS / target)]  # what is new goes into the first
        options = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10"]
        completed = subprocess.run(
            [*fuzzer, *corpora, *options, f"-artifact_prefix={directory}/"],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        lines = completed.stderr.splitlines()
        if completed.returncode:
            _say("\n".join(lines[-40:]))
        else:
            _say(f"{target}: {next((line for line in lines if line.startswith('Done ')), '')}")
    return completed.returncode == 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _fuzz(target: str, arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["docker_credential_ecr_login"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()

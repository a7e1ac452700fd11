"""``make image``: an OCI image of what ``make standalone`` has made, to ``COPY --from``.

Its ``/bin``, ``/lib`` and ``/share`` go anywhere together. ``/without-sh`` is for images that
have no shell: there, what ``/bin`` has is the executable itself.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ..protocol import NAME, __version__
from .project import repository
from .standalone import EPOCH, packed, tree


def _file() -> str:
    labels = {"title": NAME, "version": __version__, "source": repository()}
    said = " ".join(f"org.opencontainers.image.{name}={text}" for name, text in labels.items())
    return f"FROM scratch\nCOPY . /\nLABEL {said}\n"


def main() -> None:
    """Make the archive in dist/; the same content gives the same bytes."""
    source = tree()
    name = f"{source.name}.oci"
    with tempfile.TemporaryDirectory(prefix="image-") as work:
        context, layout = Path(work, "context"), Path(work, "layout")
        shutil.copytree(source, context, symlinks=True)
        (context / "without-sh").mkdir()
        (context / "without-sh" / NAME).symlink_to(f"../lib/{NAME}/python3")
        for path in (context, *context.rglob("*")):
            os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
        options = ["--root", f"{work}/root", "--runroot", f"{work}/run", "--storage-driver", "vfs"]
        Path(work, "Containerfile").write_text(_file())
        made = f"--quiet --isolation chroot --timestamp {EPOCH} --tag standalone".split()
        build = ["build", *made, "--file", f"{work}/Containerfile", str(context)]
        push = ["push", "--quiet", "--format", "oci", "standalone", f"oci:{layout}:{__version__}"]
        for command in (build, push):
            buildah = ["buildah", *options, *command]
            subprocess.run(buildah, check=True)  # noqa: S603
        Path("dist", f"{name}.tar").write_bytes(packed(layout, ".", compressed=False))


if __name__ == "__main__":
    main()

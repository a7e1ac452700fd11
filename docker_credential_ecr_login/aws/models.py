"""Reads botocore's data files, which describe services and endpoints, faster than botocore."""

import gzip
import json
import os
from typing import Any

from botocore import loaders


def create_loader(data_path: str | None) -> loaders.Loader:
    """Return a loader that finds what botocore's own does; ``data_path`` is AWS_DATA_PATH."""
    paths = loaders.create_loader(data_path).search_paths
    return _Loader(
        extra_search_paths=paths, file_loader=_FileLoader(), include_default_search_paths=False
    )


class _Loader(loaders.Loader):
    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
        """Return the names of everything that could be the directory of a service.

        botocore looks for a file of ``type_name`` in those of all its 400 services,
        only to know that one exists. If it does not, reading it will say so.
        """
        return [
            name for path in self.search_paths if os.path.isdir(path) for name in os.listdir(path)
        ]


class _FileLoader(loaders.JSONFileLoader):
    """Parses into dicts: into OrderedDicts, as botocore does, takes twice as long."""

    def load_file(self, file_path: str) -> Any:
        """Return what is in the file, its name given without extension, or None."""
        for extension, decompress in ((".json", bytes), (".json.gz", gzip.decompress)):
            try:
                with open(file_path + extension, "rb") as file:
                    return json.loads(decompress(file.read()).decode())
            except (FileNotFoundError, NotADirectoryError):
                pass
        return super().load_file(file_path)  # of another kind, in a later botocore

"""Docker credential helper for Amazon ECR.

Docker, podman, skopeo, Helm and the like start ``docker-credential-ecr-login``
and speak the credential helper protocol with it on stdin and stdout.

The package has two rings:

- light: everything at the top. It answers a cached token, so it imports next
  to nothing (``tests/test_imports.py`` holds the list).
- ``aws``: the only place that imports botocore and filelock. The light ring
  imports it inside the functions that miss.
"""

__version__ = "0.1.0"

"""What programs do with oras-py: ``push ARCHIVE IMAGE``, ``pull DIRECTORY IMAGE``."""

import os
import sys

import oras.client

os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"]  # which requests does not read
action, path, image = sys.argv[1:]
client = oras.client.OrasClient(auth_backend="basic")
client.auth.load_configs(client.get_container(image))
if action == "pull":
    client.pull(image, outdir=path)
else:
    client.push(image, files=[path], disable_path_validation=True)

"""What programs do with docker-py: ``push ARCHIVE IMAGE``, ``pull IMAGE``."""

import sys
from pathlib import Path

import docker

action, *arguments, image = sys.argv[1:]
client = docker.from_env()
if action == "pull":
    client.images.pull(image)
    client.images.remove(image)
else:
    (found,) = client.images.load(Path(arguments[0]).read_bytes())
    found.tag(image)
    for line in client.images.push(image, stream=True, decode=True):
        if "error" in line:
            sys.exit(line["error"])
client.close()

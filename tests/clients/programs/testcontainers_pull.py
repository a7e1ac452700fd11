"""What the first test with an image does that this machine does not have: ``pull IMAGE``."""

import sys

from testcontainers.core.docker_client import DockerClient

image = sys.argv[1]
client = DockerClient()
client.create(image).remove()
client.client.images.remove(image)

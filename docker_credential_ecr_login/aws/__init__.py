"""The ring that asks AWS: the only place that imports botocore or filelock.

botocore is the engine of boto3: its session is boto3's, with the same credential
provider chain, and without the resource layer, which is half of boto3's import.
"""

# First of all: if memory is too small to load it, urllib3 would treat it as missing.
import ssl  # noqa: F401

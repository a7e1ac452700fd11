"""The ring that asks AWS: the only place that imports botocore or filelock.

botocore is the engine of boto3: its session is boto3's, with the same credential
provider chain, and without the resource layer, which is half of boto3's import.
"""

# Before all else here: urllib3 takes one that there is no memory for as one that is missing.
import ssl  # noqa: F401

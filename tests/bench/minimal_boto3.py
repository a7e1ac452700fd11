"""A minimal credential helper: it asks AWS each time, with boto3."""

import base64
import json
import sys

import boto3

host = sys.stdin.read().strip()
client = boto3.client("ecr", region_name=host.split(".")[3])
data = client.get_authorization_token()["authorizationData"][0]
username, _, secret = base64.b64decode(data["authorizationToken"]).decode().partition(":")
print(json.dumps({"ServerURL": host, "Username": username, "Secret": secret}))  # noqa: T201

"""Asks STS who it is, once for each line that comes in.

Credentials, region and endpoint are what boto3 finds by itself. Each answer is
one line of JSON, with the credentials that it was asked with.
"""

import json
import sys

import boto3

session = boto3.Session()
sts = session.client("sts")
for _ in sys.stdin:
    arn = sts.get_caller_identity()["Arn"]
    credentials = session.get_credentials().get_frozen_credentials()
    answer = {
        "Arn": arn,
        "AccessKeyId": credentials.access_key,
        "SecretAccessKey": credentials.secret_key,
        "SessionToken": credentials.token,
    }
    print(json.dumps(answer), flush=True)

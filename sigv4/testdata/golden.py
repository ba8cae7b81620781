"""Makes botocore.json: signatures by botocore, for the tests of package sigv4.

Run it with a Python that has botocore: python3 golden.py > botocore.json
Nothing is sent: the requests are caught before they leave.
"""

import datetime
import json

import botocore
import botocore.auth
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = "AKIAIOSFODNN7EXAMPLE"
AT = datetime.datetime(2026, 11, 23, 7, 4, 50, tzinfo=datetime.timezone.utc)
ODD = "a b+c/=~é&;%'\"*"
QUERY = "Action=GetCallerIdentity&Version=2011-06-15"
FORM = "application/x-www-form-urlencoded; charset=utf-8"

now = [AT]
botocore.auth.get_current_datetime = lambda *_, **__: now[0]
cases = []


def record(name, region, service, token, request, **more):
    headers = {
        k: v.decode() if isinstance(v, bytes) else v
        for k, v in request.headers.items()
    }
    body = getattr(request, "body", None) or ""
    cases.append(
        dict(
            name=name,
            time=now[0].strftime("%Y%m%dT%H%M%SZ"),
            region=region,
            service=service,
            sessionToken=token or "",
            method=request.method,
            url=request.url,
            headers=headers,
            body=body if isinstance(body, str) else body.decode(),
            **more,
        )
    )


def presign(name, url, headers, token=None, region="us-east-1", service="sts", expires=60, method="GET"):
    request = AWSRequest(method=method, url=url, headers=headers)
    signer = botocore.auth.SigV4QueryAuth(Credentials(KEY, SECRET, token), service, region, expires)
    signer.add_auth(request)
    record(name, region, service, token, request, unsignedURL=url, expires=expires)


def sign(name, url, headers, data="", token=None, region="us-east-1", service="sts", method="POST"):
    request = AWSRequest(method=method, url=url, headers=headers, data=data)
    botocore.auth.SigV4Auth(Credentials(KEY, SECRET, token), service, region).add_auth(request)
    record(name, region, service, token, request, unsignedURL=url)


class Caught(Exception):
    pass


def client(name, call, token=None, region="eu-west-1", endpoint=None):
    """A request of botocore's own STS client, as it would go on the wire."""
    session = botocore.session.Session()
    session.set_credentials(KEY, SECRET, token)
    sts = session.create_client("sts", region, endpoint_url=endpoint, config=Config(retries={"max_attempts": 0}))
    caught = []

    def catch(request, **_):
        caught.append(request)
        raise Caught

    sts.meta.events.register("before-send.sts", catch)
    try:
        call(sts)
    except Caught:
        pass
    # Not signed, and different on each machine and in each run.
    del caught[0].headers["User-Agent"]
    caught[0].headers["amz-sdk-invocation-id"] = "00000000-0000-0000-0000-000000000000"
    record(name, region, "sts", token, caught[0])


sts = "https://sts.us-east-1.amazonaws.com/?" + QUERY
presign("eks token", sts, {"x-k8s-aws-id": "x"})
now[0] = AT + datetime.timedelta(seconds=1)
presign("eks token with a session token, a second later", sts, {"x-k8s-aws-id": "x"}, "abc/+=")
now[0] = AT
presign("eks token, port in the host", "http://localhost:4566/?" + QUERY, {"x-k8s-aws-id": "dev"}, region="eu-central-1")
presign("default port", "https://sts.us-east-1.amazonaws.com:443/?" + QUERY, {"x-k8s-aws-id": "dev"})
presign("no path, no query", "https://sts.amazonaws.com", {}, expires=900)
presign("odd cluster name", sts, {"x-k8s-aws-id": "  two   spaces\tand a tab ~!@#$%^&*()  "}, "T" * 400)
presign(
    "odd query",
    "https://sts.us-east-1.amazonaws.com/?"
    + "Action=AssumeRole&RoleSessionName=a%20b%2Bc%2F%3D~%C3%A9%26%3B%25%27%22%2A&Empty=&B=2&A-B=1&A=1",
    {},
)
presign("odd path", "https://eks.us-east-1.amazonaws.com/a%20b//c/./d/../e%2Ff/~x(y)!*'/", {}, service="eks")
presign("path that ends in dots", "https://eks.us-east-1.amazonaws.com/a/b/..", {}, service="eks")
presign("post presigned", sts, {"X-Amz-Target": "t", "x-amz-meta": "m"}, method="POST")

body = QUERY
length = {"Content-Type": FORM, "Content-Length": str(len(body))}
sign("post", "https://sts.us-east-1.amazonaws.com/", length, body)
sign("post with a session token", "https://sts.us-east-1.amazonaws.com/", length, body, "abc/+=")
sign("post to a port", "http://127.0.0.1:4566/", length, body, region="ap-southeast-2")
sign("get", "https://eks.us-east-1.amazonaws.com/clusters/my%20cluster", {"X-Odd": " a  b\tc ", "Accept": "*/*"}, method="GET", service="eks")
sign("get with a query", "https://sts.us-east-1.amazonaws.com/?B=2&A-B=1&A=%2B%20&A=&a=~", {}, method="GET")
sign("ipv6", "http://[::1]:4566/", length, body)

client("client: GetCallerIdentity", lambda c: c.get_caller_identity())
client("client: GetCallerIdentity with a session token", lambda c: c.get_caller_identity(), "abc/+=")
client(
    "client: AssumeRole on a port",
    lambda c: c.assume_role(
        RoleArn="arn:aws:iam::111122223333:role/awesome.role",
        RoleSessionName="ada",
        ExternalId="x" + "a+b=c/d",
        Policy=ODD,
    ),
    endpoint="http://localhost:4566",
)

session = botocore.session.Session()
session.set_credentials(KEY, SECRET, "abc/+=")
url = session.create_client("sts", "us-west-2", endpoint_url="http://localhost:4566").generate_presigned_url(
    "assume_role", dict(RoleArn="arn:aws:iam::111122223333:role/awesome.role", RoleSessionName="ada", Policy=ODD), 900, "GET"
)
record("client: AssumeRole presigned", "us-west-2", "sts", "abc/+=", AWSRequest(method="GET", url=url))

head = dict(botocore=botocore.__version__, accessKeyID=KEY, secretAccessKey=SECRET)
lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases)
print(json.dumps(head, indent=0)[:-2] + ',\n"cases": [\n' + lines + "\n]}")

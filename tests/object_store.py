"""An S3 endpoint for the tests: moto on a free loopback port, until its standard input closes.

Prints one line, the address for GOE_TEST_S3: http://KEY:SECRET@127.0.0.1:PORT/BUCKET

Every request is checked as S3 checks it: the key must be known, the signature right, and the user
allowed to do what he asks. There are two users, that of the address and `reader`/`reader-secret`,
who may read and not write.
"""

import json
import os
import sys
import threading

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"

import moto.server
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import AccessKey, iam_backends
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

BUCKET = "goe-test"
USERS = {"goe": ("goe-key", "goe-secret", "s3:*"), "reader": ("reader", "reader-secret", ["s3:Get*", "s3:List*"])}


class OneAtATime:
    """moto looks for an object and makes it in two steps, where S3 does it in one: requests that
    come together would both find nothing. So they come one after another."""

    def __init__(self, application):
        self.application = application
        self.lock = threading.Lock()

    def __call__(self, environment, start_response):
        with self.lock:
            return self.application(environment, start_response)


def add_users():
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for name, (key, secret, actions) in USERS.items():
        iam.create_user(region_name="us-east-1", user_name=name)
        made = iam.create_access_key(user_name=name)
        made.access_key_id, made.secret_access_key = key, secret
        allowed = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [allowed]}
        iam.put_user_policy(name, "tests", json.dumps(policy))
        iam.access_keys[key] = made


def main():
    add_users()
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(BUCKET, "us-east-1")
    application = moto.server.DomainDispatcherApplication(moto.server.create_backend_app)
    server = make_server("127.0.0.1", 0, OneAtATime(application), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    key, secret, _ = USERS["goe"]
    print(f"http://{key}:{secret}@127.0.0.1:{server.server_port}/{BUCKET}", flush=True)
    sys.stdin.read()


main()

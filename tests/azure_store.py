"""Azure's Blob storage for the tests: Azurite on a free loopback port, until standard input closes.

    azure_store.py NODE_MODULES

Prints one line, the address for GOE_TEST_AZURE: http://ACCOUNT:KEY@127.0.0.1:PORT/CONTAINER?SAS.
The key is percent-encoded; the shared access signature behind it may read, write, list and delete
in the container. Azurite checks the signature of each request.
"""

import base64
import datetime
import os
import secrets
import signal
import subprocess
import sys
import threading
import urllib.parse

from azure.storage.blob import BlobServiceClient, generate_container_sas

ACCOUNT = "goetest"
CONTAINER = "goe-test"
READY = "successfully listens on "


def start(modules, key):
    """Azurite, and where it listens."""
    program = os.path.join(modules, "azurite", "dist", "src", "blob", "main.js")
    options = ["--blobPort", "0", "--inMemoryPersistence", "--extentMemoryLimit", "2048"]
    quiet = ["--disableTelemetry", "--skipApiVersionCheck", "--silent"]
    server = subprocess.Popen(
        ["node", program, *options, *quiet],
        env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in server.stdout:
        print(line, end="", file=sys.stderr, flush=True)
        if READY in line:
            threading.Thread(target=server.stdout.read, daemon=True).start()
            return server, line.split(READY)[1].strip()
    sys.exit("Azurite did not start")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    server, address = start(sys.argv[1], key)
    try:
        client = BlobServiceClient(f"{address}/{ACCOUNT}", credential=key)
        client.create_container(CONTAINER)
        tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        signature = generate_container_sas(
            ACCOUNT, CONTAINER, account_key=key, permission="racwdl", expiry=tomorrow
        )
        host = address.removeprefix("http://")
        print(f"http://{ACCOUNT}:{urllib.parse.quote(key, safe='')}@{host}/{CONTAINER}?{signature}", flush=True)
        sys.stdin.read()
    finally:
        server.kill()


main()

"""A Google Cloud Storage for the tests, on a free loopback port, until its standard input closes.

    server.py FOLDER

Prints one line, the address for GOE_TEST_GCS: http://127.0.0.1:PORT/BUCKET?writer=FILE&reader=FILE.
The files, made in FOLDER, are keys of two service accounts: the one may do everything in the bucket,
the other may read and list.

It speaks the XML API as far as goe's client does, and refuses anything else loudly: objects with
their generations and preconditions, ranges, lists in pages, uploads in parts. Each request must carry
a token that one of the two keys has signed (RS256) for the storage's scope, and that is in force.

What it can't prove: that the service behaves as its documentation says
(https://cloud.google.com/storage/docs/xml-api/overview); tokens of other kinds (a person's, an
instance's, a workload's); quotas and waits.
"""

import datetime
import email.utils
import hashlib
import http.server
import json
import os
import re
import secrets
import signal
import sys
import threading
import time
import urllib.parse
import xml.etree.ElementTree as tree
from xml.sax.saxutils import escape

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

BUCKET = "goe-test"
SCOPES = {
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/devstorage.full_control",
    "https://www.googleapis.com/auth/devstorage.read_write",
}
PAGE = 1000
LEAST_PART = 5 << 20
NAMESPACE = "http://doc.s3.amazonaws.com/2006-03-01"
# What a request may ask for in its query.
KNOWN = {
    ("GET", "bucket"): {"list-type", "prefix", "delimiter", "continuation-token", "start-after", "max-keys"},
    ("GET", "object"): {"generation"},
    ("HEAD", "object"): {"generation"},
    ("PUT", "object"): {"partNumber", "uploadId"},
    ("POST", "object"): {"uploads", "uploadId"},
    ("DELETE", "object"): {"uploadId"},
}


class Refused(Exception):
    """What the service answers with an error."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Object:
    def __init__(self, content, tag, generation):
        self.content, self.tag, self.generation = content, tag, generation
        self.changed = time.time()


# ---- what is kept ---------------------------------------------------------------------------


class Bucket:
    """The objects, and the uploads that are not complete. Every call is one step."""

    def __init__(self):
        self.lock = threading.Lock()
        self.objects = {}
        self.uploads = {}
        self.generation = int(time.time() * 1_000_000)

    def put(self, name, content, wanted, tag=None):
        """Puts an object where the live generation is the wanted one; 0 says that there is none."""
        with self.lock:
            live = self.objects.get(name)
            if wanted is not None and wanted != (live.generation if live else 0):
                raise Refused(412, "PreconditionFailed", "At least one of the pre-conditions did not hold.")
            self.generation += 1
            tag = tag or hashlib.md5(content).hexdigest()
            self.objects[name] = Object(content, tag, self.generation)
            return self.objects[name]

    def get(self, name, generation=None):
        with self.lock:
            found = self.objects.get(name)
            if found is None or generation not in (None, found.generation):
                raise Refused(404, "NoSuchKey", "The specified key does not exist.")
            return found

    def delete(self, name):
        self.get(name)
        with self.lock:
            self.objects.pop(name, None)

    def list(self, prefix, delimiter, after, most):
        """Objects and folders behind a name, in order, and whether there are more."""
        with self.lock:
            names = sorted(name for name in self.objects if name.startswith(prefix))
            found, folders = [], []
            for name in names:
                rest = name[len(prefix) :]
                inside, cut, _ = rest.partition(delimiter) if delimiter else (rest, "", "")
                shown = prefix + inside + cut if cut else name
                if shown <= after or shown in folders:
                    continue
                if len(found) + len(folders) == most:
                    return found, folders, True
                if cut:
                    folders.append(shown)
                else:
                    found.append((name, self.objects[name]))
            return found, folders, False

    def begin(self, name):
        with self.lock:
            upload = secrets.token_urlsafe(24)
            self.uploads[upload] = (name, {})
            return upload

    def parts(self, name, upload):
        with self.lock:
            known, parts = self.uploads.get(upload, (None, None))
            if known != name:
                raise Refused(404, "NoSuchUpload", "The requested upload was not found.")
            return parts

    def complete(self, name, upload, listed):
        parts = self.parts(name, upload)
        if [number for number, _ in listed] != sorted({number for number, _ in listed}):
            raise Refused(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
        for number, tag in listed:
            if number not in parts or parts[number][0] != tag.strip('"'):
                raise Refused(400, "InvalidPart", f"Part {number} was not found, or has another ETag.")
        contents = [parts[number][1] for number, _ in listed]
        if any(len(content) < LEAST_PART for content in contents[:-1]):
            raise Refused(400, "EntityTooSmall", "A part but the last is smaller than 5 MiB.")
        tags = b"".join(bytes.fromhex(parts[number][0]) for number, _ in listed)
        tag = f"{hashlib.md5(tags).hexdigest()}-{len(listed)}"
        made = self.put(name, b"".join(contents), None, tag)
        with self.lock:
            del self.uploads[upload]
        return made


# ---- who asks -------------------------------------------------------------------------------


class Accounts:
    """Service accounts by the names of their keys."""

    def __init__(self, folder):
        self.folder = folder
        self.known = {}

    def add(self, name, may_write):
        """Makes a key, and the file that a client reads it from."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        address = f"{name}@goe-test.iam.gserviceaccount.com"
        number = secrets.token_hex(20)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path = os.path.join(self.folder, f"{name}.json")
        text = {
            "type": "service_account",
            "project_id": "goe-test",
            "private_key_id": number,
            "private_key": private.decode(),
            "client_email": address,
        }
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(text, file)
        self.known[number] = (key.public_key(), address, may_write)
        return path

    def may_write(self, header):
        """Whether who sends this header may write; he is refused if he is nobody."""
        kind, _, token = (header or "").partition(" ")
        try:
            if kind != "Bearer":
                raise ValueError("no token")
            key, address, may_write = self.known[jwt.get_unverified_header(token)["kid"]]
            options = {"require": ["iss", "sub", "iat", "exp"]}
            claims = jwt.decode(token, key, ["RS256"], options=options, issuer=address)
            if claims["sub"] != address or not SCOPES & set(claims["scope"].split()):
                raise ValueError("a token for something else")
        except (ValueError, KeyError, jwt.PyJWTError) as error:
            raise Refused(401, "AuthenticationRequired", f"Authentication required. ({error})")
        return may_write


# ---- HTTP -----------------------------------------------------------------------------------


def element(name, value):
    return f"<{name}>{escape(str(value))}</{name}>"


def stamp(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Bucket
    accounts: Accounts

    def log_message(self, form, *values):
        print(form % values, file=sys.stderr, flush=True)

    def answer(self, status, body=b"", headers=None, length=None):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_request(self):
        # Read first: what is left of a body would be taken for the next request.
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self.dispatch(body)
        except Refused as refused:
            print(f"{refused.status} {refused.code}: {refused.message}", file=sys.stderr, flush=True)
            words = element("Code", refused.code) + element("Message", refused.message)
            self.answer(refused.status, f"<?xml version='1.0' encoding='UTF-8'?><Error>{words}</Error>")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_request

    def dispatch(self, body):
        may_write = self.accounts.may_write(self.headers.get("Authorization"))
        path, _, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        _, bucket, *rest = path.split("/", 2)
        name = urllib.parse.unquote(rest[0]) if rest else ""
        if urllib.parse.unquote(bucket) != BUCKET:
            raise Refused(404, "NoSuchBucket", "The specified bucket does not exist.")
        known = KNOWN.get((self.command, "object" if name else "bucket"))
        if known is None or not asked.keys() <= known:
            raise Refused(501, "NotImplemented", f"the double does not know {self.command} {self.path}")
        for header in self.headers:
            if header.lower().startswith("x-goog-") and header.lower() != "x-goog-if-generation-match":
                raise Refused(501, "NotImplemented", f"the double does not know {header}")
        if self.command not in ("GET", "HEAD") and not may_write:
            raise Refused(403, "AccessDenied", "Access denied. The caller may not write here.")
        if not name:
            return self.list(asked)
        getattr(self, self.command.lower())(name, asked, body)

    def list(self, asked):
        if asked.get("list-type") != "2":
            raise Refused(501, "NotImplemented", "the double lists by list-type=2 only")
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        after = max(asked.get("start-after", ""), asked.get("continuation-token", ""))
        most = min(int(asked.get("max-keys", PAGE)), PAGE)
        found, folders, more = self.bucket.list(prefix, delimiter, after, most)
        text = element("Name", BUCKET) + element("Prefix", prefix) + element("KeyCount", len(found) + len(folders))
        text += element("IsTruncated", str(more).lower())
        if more:
            text += element("NextContinuationToken", max([name for name, _ in found] + folders))
        for name, kept in found:
            text += "<Contents>" + element("Key", name) + element("Generation", kept.generation)
            text += element("MetaGeneration", 1) + element("LastModified", stamp(kept.changed))
            text += element("ETag", f'"{kept.tag}"') + element("Size", len(kept.content)) + "</Contents>"
        for folder in folders:
            text += "<CommonPrefixes>" + element("Prefix", folder) + "</CommonPrefixes>"
        text = f"<ListBucketResult xmlns='{NAMESPACE}'>{text}</ListBucketResult>"
        self.answer(200, f"<?xml version='1.0' encoding='UTF-8'?>{text}")

    def get(self, name, asked, _):
        kept = self.bucket.get(name, int(asked["generation"]) if "generation" in asked else None)
        size = len(kept.content)
        headers = {
            "ETag": f'"{kept.tag}"',
            "Last-Modified": email.utils.formatdate(kept.changed, usegmt=True),
            "x-goog-generation": kept.generation,
            "x-goog-metageneration": 1,
        }
        for header in ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"):
            if header in self.headers:
                raise Refused(501, "NotImplemented", f"the double does not know {header}")
        if self.command == "HEAD":
            return self.answer(200, headers=headers, length=size)
        if "Range" not in self.headers:
            return self.answer(200, kept.content, headers)
        first, last = self.range(size)
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self.answer(206, kept.content[first : last + 1], headers)

    head = get

    def range(self, size):
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers["Range"])
        first, last = found.groups() if found else ("", "")
        if first:
            bounds = int(first), min(int(last), size - 1) if last else size - 1
        elif last:
            bounds = max(size - int(last), 0), size - 1
        else:
            raise Refused(400, "InvalidArgument", "Invalid range.")
        if bounds[0] > bounds[1]:
            raise Refused(416, "InvalidRange", "The requested range cannot be satisfied.")
        return bounds

    def put(self, name, asked, body):
        if "uploadId" in asked:
            tag = hashlib.md5(body).hexdigest()
            self.bucket.parts(name, asked["uploadId"])[int(asked["partNumber"])] = (tag, body)
            return self.answer(200, headers={"ETag": f'"{tag}"'})
        wanted = self.headers.get("x-goog-if-generation-match")
        made = self.bucket.put(name, body, None if wanted is None else int(wanted))
        self.answer(200, headers={"ETag": f'"{made.tag}"', "x-goog-generation": made.generation})

    def post(self, name, asked, body):
        place = element("Bucket", BUCKET) + element("Key", name)
        if "uploads" in asked:
            text = place + element("UploadId", self.bucket.begin(name))
            text = f"<InitiateMultipartUploadResult xmlns='{NAMESPACE}'>{text}</InitiateMultipartUploadResult>"
            return self.answer(200, text)
        if "uploadId" not in asked:
            raise Refused(501, "NotImplemented", "the double knows POST of uploads in parts only")
        parts = tree.fromstring(body).iter()
        parts = [part for part in parts if part.tag.endswith("Part")]
        text = lambda part, tag: next(child.text for child in part if child.tag.endswith(tag))
        listed = [(int(text(part, "PartNumber")), text(part, "ETag")) for part in parts]
        made = self.bucket.complete(name, asked["uploadId"], listed)
        text = place + element("ETag", f'"{made.tag}"')
        text = f"<CompleteMultipartUploadResult xmlns='{NAMESPACE}'>{text}</CompleteMultipartUploadResult>"
        self.answer(200, text, {"x-goog-generation": made.generation})

    def delete(self, name, asked, _):
        if "uploadId" in asked:
            self.bucket.parts(name, asked["uploadId"])
            with self.bucket.lock:
                self.bucket.uploads.pop(asked["uploadId"], None)
        else:
            self.bucket.delete(name)
        self.answer(204)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    Handler.bucket, Handler.accounts = Bucket(), Accounts(sys.argv[1])
    files = {
        "writer": Handler.accounts.add("writer", may_write=True),
        "reader": Handler.accounts.add("reader", may_write=False),
    }
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/{BUCKET}?{urllib.parse.urlencode(files)}", flush=True)
    sys.stdin.read()


main()

"""An agency's consumer written from shared/protocol/contracts alone, sentence by sentence, with joserfc and the standard library.

    python literal.py agency.json    (AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY in the environment)

The sample consumers do not share a line with it. Where a sentence of the contracts did not suffice, the sentence was fixed."""
import base64, contextlib, datetime, hashlib, json, logging, os, pathlib, signal, sqlite3, sys, threading, time, uuid
import urllib.error, urllib.request
import boto3
from joserfc import jwe, jws
from joserfc.jwk import KeySet, import_key

WORKERS = 8
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
log, stop = logging.getLogger("literal"), threading.Event()


class CaseOver(Exception):
    """Drop the report: the case is at another stage or agency, or does not exist."""


def request(method, url, body=None, headers=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}, method=method), timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read()


class Hub:
    def __init__(self, path):
        read = lambda name: json.loads((path.parent / name).read_text())
        settings = json.loads(path.read_text())
        self.agency, self.url, self.queue = settings["agency"], settings["hub_url"].rstrip("/"), settings["queue_url"]
        self.visibility, self.wait = settings.get("visibility_seconds", 60), settings.get("wait_seconds", 20)
        self.signing = import_key(read(settings["signing_key"]))
        self.encryption = KeySet([import_key(read(name)) for name in settings["encryption_keys"]])
        self.keys, self.read_at, self.lock, self.ahead = {}, 0, threading.Lock(), 0

    def key(self, kid):
        """Cached for five minutes, and read again for an unknown kid, at most once every ten seconds."""
        with self.lock:
            age = time.monotonic() - self.read_at if self.read_at else 1e9
            if age > 300 or (kid not in self.keys and age > 10):
                self.read_at = time.monotonic()
                listed = json.loads(request("GET", self.url + "/.well-known/jwks.json")[2])["keys"]
                self.keys = {key["kid"]: import_key(key) for key in listed}
            return self.keys[kid]

    def open(self, body):
        event = json.loads(body)
        sealed = jwe.decrypt_compact(event["data"], self.encryption, algorithms=["ECDH-ES", "A256GCM"])
        signed = sealed.plaintext.decode()
        key = self.key(jws.extract_compact(signed.encode()).headers()["kid"])
        verified = jws.deserialize_compact(signed, key, algorithms=["ES256"] if key.key_type == "EC" else ["EdDSA"])
        case, header = json.loads(verified.payload), verified.headers()
        # The signature does not cover the envelope.
        assert header["typ"] == "tongban-case+jws" and "crit" not in header and case["agency"] == self.agency
        assert event["id"] == f"{case['application']}:{case['version']}" and event["subject"] == case["application"]
        assert event["type"] == f"cn.tongban.case.{case['notice']}.v1"
        return case

    def post(self, path, typ, claims):
        """Decides by the type of the problem. What has no such type is the answer of a proxy: the same again later."""
        protected = {"alg": "ES256", "typ": typ, "kid": self.signing.kid}
        for wait in (0.5, 1, 2, 4, 8, 0):
            payload = json.dumps({**claims, "agency": self.agency, "iat": int(time.time() + self.ahead)})
            signed = jws.serialize_compact(protected, payload, self.signing)
            try:
                status, headers, body = request("POST", self.url + path, signed.encode(), {"content-type": "application/jose"})
            except OSError:
                status, headers, body = 0, {}, b""
            if status == 200:
                return json.loads(body)
            with contextlib.suppress(ValueError, LookupError, TypeError):
                problem = json.loads(body)
                code = problem["type"].removeprefix("/problems/")
                if code in ("not_found", "illegal_step", "other_leg", "stale_version"):
                    raise CaseOver(code)
                if code == "signature_expired":
                    self.ahead = problem["now"] - time.time()
                elif code not in ("throttled", "unavailable", "internal", "documents_missing") and code != problem["type"]:
                    raise RuntimeError(f"{status} {code}")
            stop.wait(float(headers.get("Retry-After") or wait))
        raise RuntimeError(f"no answer, the last status was {status}")

    def report(self, case, kind, **members):
        """A repeat carries the same report_id, so the id derives from the content."""
        claims = {"application": case["application"], "seen": case["seen"], "kind": kind, **members}
        claims["report_id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([self.agency, claims], sort_keys=True)))
        case["seen"] = self.post("/v1/reports", "tongban-report+jws", claims)["version"]
        log.info("%s:%s %s", case["application"], case["seen"], kind)

    def link(self, case, claims, body=None):
        """Follows a link with its method and exactly its headers."""
        claims = {"application": case["application"], **claims}
        link = self.post("/v1/agency/documents", "tongban-document+jws", claims)
        status, _, content = request(link["method"], link["url"], body, link["headers"])
        if status not in (200, 412):  # 412: the file has arrived already
            raise RuntimeError(f"document: {status}")
        return content


def described(content):
    return {"size": len(content), "sha256": base64.b64encode(hashlib.sha256(content).digest()).decode()}


def decide(hub, case):
    """Sends the reports that the case lists as possible, in their order, and decides by the names of certification."""
    if case["notice"] == "withdrawn":
        return
    possible, name = case["reports"], case["personal_data"]["applicant"]["name"]
    if "received" in possible:
        hub.report(case, "received")
    for document in case["documents"]:
        content = hub.link(case, {"action": "fetch", "document": document["id"]})
        assert described(content).items() <= document.items(), "another document than the case names"
    if name == "认证等待":
        stop.wait(5)
    if name == "认证补正" and case["notice"] == "opened" and "supplement_requested" in possible:
        item = {"name": "residence", "accepts": ["proof_of_residence", "other"]}
        return hub.report(case, "supplement_requested", items=[item])
    refusals = [kind for kind in ("not_issued", "rejected") if kind in possible]
    if name == "认证不予" and refusals:
        return hub.report(case, refusals[0], reason="the register does not show what was stated")
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).date()
    number = f"{hub.agency}-{case['application']}"
    members = {
        "ready": {"place": "household hall"},
        "approved": {"permit": number},
        "moved_out": {"certificate": number, "issued_on": str(today), "valid_until": str(today + datetime.timedelta(30))},
        "issued": {"certificate": number, "document": case.get("upload")},
    }
    if "issued" in possible:
        with contextlib.suppress(CaseOver):  # the certificate was uploaded and reported before
            upload = {"action": "upload", "document": case["upload"], "media_type": "application/pdf", **described(PDF)}
            hub.link(case, upload, PDF)
    for kind in possible:
        if kind not in ("received", "supplement_requested", "not_issued", "rejected", "posted"):
            hub.report(case, kind, **members.get(kind, {}))


def work(hub, sqs, inbox):
    """Receives one message at a time: several of one application may come in one receive."""
    while not stop.is_set():
        try:
            got = sqs.receive_message(QueueUrl=hub.queue, WaitTimeSeconds=hub.wait, VisibilityTimeout=hub.visibility)
        except Exception as why:
            log.warning("the queue: %s", type(why).__name__)
            stop.wait(2)
            continue
        for message in got.get("Messages", []):
            one, done = {"QueueUrl": hub.queue, "ReceiptHandle": message["ReceiptHandle"]}, threading.Event()
            threading.Thread(target=extend, args=(sqs, one, hub.visibility, done), daemon=True).start()
            try:
                handle(hub, inbox(), hub.open(message["Body"]))
                sqs.delete_message(**one)
            except Exception as why:  # the text of an error may quote the case
                log.warning("%s stays: %s", message["MessageId"], why if type(why) is RuntimeError else type(why).__name__)
            finally:
                done.set()


def extend(sqs, one, seconds, done):
    while not done.wait(seconds / 3):
        with contextlib.suppress(Exception):
            sqs.change_message_visibility(**one, VisibilityTimeout=seconds)


def handle(hub, inbox, case):
    case["seen"], told = case["version"], (case["application"], case["version"])
    if inbox.execute("SELECT 1 FROM handled WHERE application = ? AND version >= ?", told).fetchone():
        return
    try:
        decide(hub, case)
    except CaseOver as why:
        log.info("%s:%s is over: %s", *told, why)
    inbox.execute("REPLACE INTO handled VALUES (?, ?)", told)


def main(path):
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    hub, sqs = Hub(path), boto3.client("sqs", region_name=os.environ["AWS_REGION"])
    inbox = lambda: sqlite3.connect(path.parent / "literal.sqlite", isolation_level=None, timeout=30)
    inbox().execute("CREATE TABLE IF NOT EXISTS handled (application TEXT PRIMARY KEY, version INTEGER NOT NULL)")
    workers = [threading.Thread(target=work, args=(hub, sqs, inbox)) for _ in range(WORKERS)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

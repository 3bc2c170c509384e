"""An agency's consumer, complete but for its decisions: those are in decisions.py. Runs until SIGTERM.

    python consumer.py agency.json    (AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment)"""
import base64, hashlib, json, logging, os, pathlib, random, signal, sqlite3, sys, threading, time, uuid
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
import boto3, botocore.exceptions, urllib3
from jwcrypto import jwe, jwk, jws

class Over(Exception): "The hub takes nothing more on this case from this agency: stop work on it."
class Left(Exception): "The message stays: it comes again, and at last goes to the dead-letter queue."
log, stop = logging.getLogger("consumer"), threading.Event()
RETRY = urllib3.Retry(total=6, redirect=0, allowed_methods=None, status_forcelist=[408, 429, 500, 502, 503, 504],
                      backoff_factor=0.3, backoff_max=20, backoff_jitter=0.5)
def keys(folder, given):
    "Keys by name, of a path, a JWK, a JWK set, or a list of any of these."
    given = json.loads((folder / given).read_text("utf-8")) if isinstance(given, str) else given
    parts = given if isinstance(given, list) else given.get("keys")
    found = [jwk.JWK(**given)] if parts is None else [key for part in parts for key in keys(folder, part).values()]
    return {key.get("kid") or key.thumbprint(): key for key in found}
def digest(content):
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
class Hub:
    def __init__(self, path):
        self.settings, self.lock, self.asked, self.skew = json.loads(path.read_text("utf-8")), threading.Lock(), 0, 0
        self.agency, self.url = self.settings["agency"], self.settings["hub_url"].rstrip("/")
        self.own = keys(path.parent, self.settings["encryption_keys"])
        (self.kid, self.signing), = keys(path.parent, self.settings["signing_key"]).items()
        self.known = keys(path.parent, self.settings.get("hub_keys", []))
        self.http = urllib3.PoolManager(maxsize=32, timeout=30, retries=RETRY)
    def key(self, kid):
        "The hub's key of this name. Published ones are asked for again at an unknown name, every 10 s at most."
        with self.lock:
            if kid not in self.known and "hub_keys" not in self.settings and time.time() - self.asked > 10:
                self.asked = time.time()
                self.known = keys(None, self.http.request("GET", self.url + "/.well-known/jwks.json").json())
            return self.known[kid]
    def open(self, body):
        "The case in a message: decrypted, verified, and compared with what its envelope says."
        envelope, sealed, signed = json.loads(body), jwe.JWE(algs=["ECDH-ES", "A256GCM"]), jws.JWS()
        sealed.deserialize(envelope["data"])
        sealed.decrypt(self.own[sealed.jose_header["kid"]])
        signed.allowed_algs = ["ES256"]
        signed.deserialize(sealed.payload.decode())
        signed.verify(self.key(signed.jose_header["kid"]))
        case = json.loads(signed.payload)
        told = case["application"], f"{case['application']}:{case['version']}", f"cn.tongban.case.{case['notice']}.v1"
        if (signed.jose_header["typ"], case["agency"]) != ("tongban-case+jws", self.agency) or told != (
                envelope["subject"], envelope["id"], envelope["type"]):
            raise Left("not a case of this agency in its own envelope")
        return {**case, "seen": case["version"]}
    def post(self, path, typ, **claims):
        "Posts signed claims; where the signature came too late they are signed again, by the hub's clock."
        for _ in range(5):
            token = jws.JWS(json.dumps({**claims, "agency": self.agency, "iat": int(time.time() + self.skew)}))
            token.add_signature(self.signing, None, json.dumps({"alg": "ES256", "typ": typ, "kid": self.kid}))
            answer = self.http.request("POST", self.url + path, body=token.serialize(compact=True),
                                       headers={"content-type": "application/jose"})
            if answer.status == 200:
                return answer.json()
            problem = answer.json()
            code = problem["type"].rpartition(":")[2]
            if code == "signature_expired":
                self.skew = problem["now"] - time.time()
            elif code == "documents_missing":
                time.sleep(1)  # the hub is still looking at the upload
            else:
                break
        raise (Over if answer.status in (404, 409) else Left)(f"{answer.status} {code}")
    def report(self, case, kind, **finding):
        "The id follows from the content: what is said again after a crash is the same report."
        claims = {"application": case["application"], "seen": case["seen"], "kind": kind, **finding}
        claims["report_id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(claims, sort_keys=True)))
        case["seen"] = self.post("/v1/reports", "tongban-report+jws", **claims)["version"]
        log.info("%s:%s %s", case["application"], case["seen"], kind)
    def document(self, case, content=None, **action):
        "Follows the short link that a signed request is answered with. 412: an earlier try has arrived."
        link = self.post("/v1/agency/documents", "tongban-document+jws", application=case["application"], **action)
        headers = {name: text for name, text in link["headers"].items() if name.lower() not in ("host", "content-length")}
        answer = self.http.request(link["method"], link["url"], body=content, headers=headers)
        if answer.status not in (200, 412):
            raise Left(f"document: {answer.status}")
        return answer.data
    def fetch(self, case, document):
        content = self.document(case, action="fetch", document=document["id"])
        if (len(content), digest(content)) != (document["size"], document["sha256"]):
            raise Left("another document than the case names")
        return content
    def upload(self, case, pdf):
        about = {"media_type": "application/pdf", "size": len(pdf), "sha256": digest(pdf)}
        self.document(case, pdf, action="upload", document=case["upload"], **about)
class Inbox:
    "The version of the last message handled of each case, on disk before the message is deleted."
    def __init__(self, path):
        self.lock, self.base = threading.Lock(), sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.base.execute("CREATE TABLE IF NOT EXISTS handled (application TEXT PRIMARY KEY, version INTEGER NOT NULL)")
    def knows(self, case):
        with self.lock:
            rows = self.base.execute("SELECT version FROM handled WHERE application = ?", [case["application"]])
            return any(version >= case["version"] for version, in rows)
    def keep(self, case):
        with self.lock:
            self.base.execute("REPLACE INTO handled VALUES (?, ?)", [case["application"], case["version"]])
def work(hub, inbox, decide, held, messages):
    "The messages of one case, in order. The first that must stay keeps those behind it back."
    try:
        for message in messages:
            if stop.is_set():
                message.change_visibility(VisibilityTimeout=0)
                continue
            case = hub.open(message.body)
            if not inbox.knows(case):
                try:
                    decide(hub, case)
                except Over as why:
                    log.info("%s:%s is over: %s", case["application"], case["version"], why)
                inbox.keep(case)
            message.delete()
    except Exception as why:  # its text may quote the case, so only what is ours is told
        log.warning("%s stays: %s", message.message_id, why if type(why) is Left else type(why).__name__)
    finally:
        [held.pop(message.receipt_handle) for message in messages]
def prolong(held, seconds, ended):
    "Keeps what is worked on hidden from others, until the process ends."
    while not ended.wait(seconds / 3):
        for message in list(held.values()):
            try:
                message.change_visibility(VisibilityTimeout=seconds)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as why:
                log.warning("%s may come again early: %s", message.message_id, type(why).__name__)
def main(path, decide):
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    hub, held, ended, running = Hub(path), {}, threading.Event(), set()
    inbox = Inbox(path.parent / hub.settings.get("inbox", "inbox.sqlite"))
    pause, seconds, most = (hub.settings.get(*name) for name in (
        ("wait_seconds", 20), ("visibility_seconds", 60), ("concurrency", 8)))
    queue = boto3.resource("sqs", region_name=os.environ["AWS_REGION"]).Queue(hub.settings["queue_url"])
    threading.Thread(target=prolong, args=(held, seconds, ended), daemon=True).start()
    with ThreadPoolExecutor(most) as desks:
        while not stop.is_set():
            if len(running) >= most:
                running = wait(running, return_when=FIRST_COMPLETED).not_done
            try:
                messages = queue.receive_messages(
                    MaxNumberOfMessages=min(10, most - len(running)), WaitTimeSeconds=pause, VisibilityTimeout=seconds,
                    AttributeNames=["MessageGroupId"])
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as why:
                log.warning("the queue is away: %s", type(why).__name__)
                messages = stop.wait(random.uniform(1, 5)) or []
            cases = {}
            for message in messages:
                held[message.receipt_handle] = message
                cases.setdefault(message.attributes["MessageGroupId"], []).append(message)
            running |= {desks.submit(work, hub, inbox, decide, held, case) for case in cases.values()}
    ended.set()
if __name__ == "__main__":
    import decisions
    main(pathlib.Path(sys.argv[1]), decisions.decide)

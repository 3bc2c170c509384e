"""An agency's consumer, complete except for its decisions: decisions.py makes them and runs it until SIGTERM."""
import signal, sys
SIGNALS = signal.SIGTERM, signal.SIGINT
[signal.signal(name, lambda *_: sys.exit(print("stopped", file=sys.stderr))) for name in SIGNALS]  # before anything has begun
import base64, concurrent.futures, hashlib, json, logging, os, random, sqlite3, threading, time, uuid
import boto3, botocore.config, botocore.exceptions, urllib3
from jwcrypto import jwe, jwk, jws
import settings
class Over(Exception): "The hub accepts no more reports on this case from this agency: stop the work."
class Left(Exception): "SQS delivers the message again; after ten deliveries it moves to the dead-letter queue."
class Stopped(BaseException): "A signal. It interrupts the main thread wherever that waits."
class Retry(urllib3.Retry):
    def sleep(self, response=None):  # no pause is long, and a stop ends it
        if stop.wait(min(20, response and self.get_retry_after(response) or self.get_backoff_time())):
            raise Left("the consumer stops")
ENDS = ("not_found", "illegal_step", "other_leg", "stale_version")  # the problems after which the work on a message is over
AWS = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
GRACE = 8  # seconds for work in progress after a signal; `docker stop` kills after ten
RETRY = Retry(6, redirect=0, allowed_methods=None, status_forcelist=range(500, 600), backoff_factor=0.3, backoff_jitter=0.5)
log, stop = logging.getLogger("consumer"), threading.Event()  # logs ids and codes, never the content of a case
def about(content):
    return {"size": len(content), "sha256": base64.b64encode(hashlib.sha256(content).digest()).decode()}
def code_of(answer):  # only a problem of the hub ends a case: a proxy may answer anything, in any status
    try:
        path, _, code = answer.json()["type"].rpartition("/")
        return code if path == "/problems" else None
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
class Hub:
    def __init__(self, path):
        self.settings, self.lock, self.asked, self.skew = settings.load(path), threading.Lock(), 0, 0
        self.receipts = path.parent / "receipts.log"
        self.agency, self.url = self.settings.agency, self.settings.hub_url.rstrip("/")
        self.signing, = self.settings.keys["signing_key"]
        self.own, self.known = ({key["kid"]: key for key in self.settings.keys[name]} for name in ("encryption_keys", "hub_keys"))
        self.pinned = bool(self.known)
        common = {"maxsize": 32, "timeout": 30, "retries": RETRY, "ca_certs": self.settings.ca_bundle}
        self.direct, self.proxied = urllib3.PoolManager(**common), {
            proxy: urllib3.ProxyManager(proxy, proxy_headers=urllib3.make_headers(proxy_basic_auth=urllib3.util.parse_url(proxy).auth), **common)
            for proxy in self.settings.proxies.values()}
    def request(self, method, url, **more):  # hub and links, by the proxy that the environment names for them
        proxy = settings.way(self.settings, url).get(url.partition(":")[0])
        return (self.proxied[proxy] if proxy else self.direct).request(method, url, **more)
    def key(self, kid):  # fetches the hub's keys again for an unknown kid, at most every 10 s
        with self.lock:
            if kid not in self.known and time.time() - self.asked > 10 and not self.pinned:
                self.asked, answer = time.time(), self.request("GET", self.url + "/.well-known/jwks.json")
                self.known = {key["kid"]: jwk.JWK(**key) for key in answer.json()["keys"]}
            return self.known[kid]
    def open(self, body):  # decrypts and verifies a case, and compares it with the envelope
        envelope, sealed, signed = json.loads(body), jwe.JWE(algs=["ECDH-ES", "A256GCM"]), jws.JWS()
        sealed.deserialize(envelope["data"])
        sealed.decrypt(self.own[sealed.jose_header["kid"]])
        signed.allowed_algs = ["ES256"]
        signed.deserialize(sealed.payload.decode())
        signed.verify(self.key(signed.jose_header["kid"]))
        case = json.loads(signed.payload)
        told = case["application"], f"{case['application']}:{case['version']}", f"cn.tongban.case.{case['notice']}.v1"
        if (signed.jose_header["typ"], case["agency"], *told) != (
                "tongban-case+jws", self.agency, envelope["subject"], envelope["id"], envelope["type"]):
            raise Left("not a case of this agency in its own envelope")
        return {**case, "seen": case["version"]}
    def post(self, path, typ, **claims):  # signs again by the hub's clock when the signature expired
        for _ in range(5):
            token = jws.JWS(json.dumps({**claims, "agency": self.agency, "iat": int(time.time() + self.skew)}))
            token.add_signature(self.signing, None, json.dumps({"alg": "ES256", "typ": typ, "kid": self.signing["kid"]}))
            answer = self.request("POST", self.url + path, body=token.serialize(compact=True),
                                  headers={"content-type": "application/jose"})
            if answer.status == 200:
                return answer.json()
            code = code_of(answer)
            if code == "signature_expired":
                self.skew = answer.json()["now"] - time.time()
            elif code not in (None, "documents_missing"):
                break
            if stop.wait(0.5):  # the hub is still inspecting an upload, or a proxy answered
                break
        raise (Over if code in ENDS else Left)(f"{answer.status} {code or 'not an answer of the hub'}")
    def report(self, case, kind, **result):  # the id derives from the content, so a repeat is the same report
        claims = {"application": case["application"], "seen": case["seen"], "kind": kind, **result}
        claims["report_id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(claims, sort_keys=True)))
        answer = self.post("/v1/reports", "tongban-report+jws", **claims)
        with self.lock, self.receipts.open("a", encoding="utf-8") as file:  # the hub's signed proof that it has the report
            print(case["application"], answer["version"], answer.get("receipt", "-"), file=file)
        case["seen"] = answer["version"]
        log.info("%s:%s %s", case["application"], case["seen"], kind)
    def document(self, case, content=None, **action):  # follows a presigned link; 412: an earlier try succeeded; after 409 (a try in progress) the message comes again
        link = self.post("/v1/agency/documents", "tongban-document+jws", application=case["application"], **action)
        headers = {name: text for name, text in link["headers"].items() if name.lower() not in ("host", "content-length")}
        answer = self.request(link["method"], link["url"], body=content, headers=headers)
        if answer.status in (200, 412):
            return answer.data
        raise Left(f"document: {answer.status}")
    def fetch(self, case, document):
        if about(content := self.document(case, action="fetch", document=document["id"])).items() <= document.items():
            return content
        raise Left("another document than the case names")
    def upload(self, case, pdf):
        self.document(case, pdf, action="upload", document=case["upload"], media_type="application/pdf", **about(pdf))
def work(hub, inbox, decide, held, messages):  # handles one case's messages in order; a retry delays the later ones
    try:
        while messages and not stop.is_set():
            case = hub.open(messages[0].body)
            handled = [case["application"], case["version"]]
            if not inbox().execute("SELECT 1 FROM handled WHERE application = ? AND version >= ?", handled).fetchone():
                try:
                    decide(hub, case)
                except Over as why:
                    log.info("%s:%s is over: %s", *handled, why)
                inbox().execute("REPLACE INTO handled VALUES (?, ?)", handled)  # on disk before the message is deleted
            messages.pop(0).delete()
        [message.change_visibility(VisibilityTimeout=0) for message in messages]
    except Exception as why:  # the error's text may quote the case: log only the texts of our own errors
        log.warning("%s stays: %s", messages[0].message_id, why if type(why) is Left else type(why).__name__)
    finally:
        held.remove(messages)
def prolong(held, seconds):  # extends the visibility timeout of messages in progress
    while time.sleep(seconds / 3) is None:
        for message in [message for messages in list(held) for message in list(messages)]:
            try:
                message.change_visibility(VisibilityTimeout=seconds)
            except AWS as why:
                log.warning("%s may come again early: %s", message.message_id, type(why).__name__)
def reason(why):  # SQS's own code where SQS answered, else what stands in the way; neither quotes a message
    answered, told = getattr(why, "response", {}).get("Error", {}).get("Code"), getattr(why, "kwargs", {})
    return answered or " ".join(filter(None, (type(why).__name__, told.get("endpoint_url"), str(told.get("error", "")))))
def end(*_):
    [signal.signal(name, signal.SIG_IGN) for name in SIGNALS]
    stop.set()
    raise Stopped
def sqs(hub):
    china = ".cn" if hub.settings.region.startswith("cn-") else ""
    address = os.environ.get("AWS_ENDPOINT_URL") or f"https://sqs.{hub.settings.region}.amazonaws.com{china}"
    config = botocore.config.Config(proxies=settings.way(hub.settings, address), connect_timeout=5, read_timeout=30,
                                    retries={"mode": "standard", "total_max_attempts": 4})
    return boto3.resource("sqs", region_name=hub.settings.region, verify=hub.settings.ca_bundle, config=config)
def main(path, decide):
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
    hub, held, running = Hub(path), [], set()
    inbox = lambda: sqlite3.connect(path.parent / "handled.sqlite", isolation_level=None)
    try:
        inbox().execute("CREATE TABLE IF NOT EXISTS handled (application TEXT PRIMARY KEY, version INTEGER NOT NULL)")
    except sqlite3.Error as why:
        sys.exit(f"the inbox {path.parent / 'handled.sqlite'} cannot be used: {why}")
    seconds, most = hub.settings.visibility_seconds, hub.settings.concurrency
    queue = sqs(hub).Queue(hub.settings.queue_url)
    threading.Thread(target=prolong, args=(held, seconds), daemon=True).start()
    workers = concurrent.futures.ThreadPoolExecutor(most)
    [signal.signal(name, end) for name in SIGNALS]
    try:
        while True:
            if len(running) >= most:
                running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED).not_done
            try:
                messages = queue.receive_messages(
                    MaxNumberOfMessages=min(10, most - len(running)), VisibilityTimeout=seconds,
                    WaitTimeSeconds=hub.settings.wait_seconds, AttributeNames=["MessageGroupId"])
            except AWS as why:
                log.warning("the queue is away: %s", reason(why))
                messages, _ = [], time.sleep(random.uniform(1, 5))
            cases = {}
            for message in messages:
                cases.setdefault(message.attributes["MessageGroupId"], []).append(message)
            held.extend(cases.values())
            running |= {workers.submit(work, hub, inbox, decide, held, case) for case in cases.values()}
    except Stopped:
        left = concurrent.futures.wait(running, timeout=GRACE).not_done
        log.info("stopped%s", f"; SQS delivers {len(left)} unfinished cases again" if left else "")
        sys.stdout.flush()
        os._exit(0)  # unfinished work does not hold the process

"""Reads agency.json, the keys beside it and the variables, and names every fault at once, one line each (exit code 3)."""
import errno, ipaddress, json, os, re, ssl, sys, types, urllib.parse, urllib.request
from jwcrypto import jwk

BYTES = 1024 * 1024
NUMBERS = {"wait_seconds": (0, 20, 20), "visibility_seconds": (5, 43_200, 60), "concurrency": (1, 1_000, 8)}  # least, most, default
TEXTS = ("agency", "queue_url", "reports_queue_url", "hub_url", "reports_by", "inbox", "ca_bundle")
KEYS = ("signing_key", "encryption_keys", "hub_keys")
NEEDED = ("agency", "queue_url", "hub_url", "signing_key", "encryption_keys")

class Fault(Exception): "What is wrong with one value, in words that quote no key."

def bytes_of(path):
    try:
        if path.stat().st_size > BYTES:
            raise Fault("the file is over 1 MiB")
        return path.read_bytes()
    except OSError as why:
        words = {errno.ENOENT: "no such file exists", errno.EACCES: "this user may not read the file"}
        raise Fault(words.get(why.errno, why.strerror)) from None

def json_of(path):  # I-JSON: UTF-8 without a mark, and each member once
    content, repeated = bytes_of(path), []
    def members(pairs):
        names = [name for name, _ in pairs]
        repeated.extend(name for name in dict.fromkeys(names) if names.count(name) > 1)
        return dict(pairs)
    if content.startswith(b"\xef\xbb\xbf"):
        raise Fault("the file begins with a byte order mark (EF BB BF): save it as UTF-8 without one")
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=members)
    except UnicodeDecodeError as why:
        raise Fault(f"byte {why.start} is not UTF-8") from None
    except json.JSONDecodeError as why:
        raise Fault(f"not JSON at line {why.lineno}, column {why.colno}: {why.msg}") from None
    except RecursionError:
        raise Fault("too many levels of objects and lists") from None
    if repeated:
        raise Fault(f"members are repeated: {', '.join(repeated)}")
    return value

def key_of(value, private, use):
    if not isinstance(value, dict):
        raise Fault("a key is a JSON object (a JWK)")
    if (value.get("kty"), value.get("crv")) != ("EC", "P-256"):
        raise Fault("the key is not on the curve P-256 (kty EC, crv P-256)")
    if private != ("d" in value):
        raise Fault("this is a public key; the private one is needed" if private else "this is a private key; the hub gives public ones")
    if value.get("use", use) != use:
        raise Fault(f"this key is for {'encryption' if use == 'sig' else 'signatures'} (use {value['use']}), not for use {use}")
    try:
        key = jwk.JWK(**value)
        key.export_to_pem(private_key=private, password=None)  # computes with the numbers
    except Exception:
        raise Fault("the numbers of the key (x, y, d) are wrong or missing") from None
    return key if key.get("kid") else jwk.JWK(**{**value, "kid": key.thumbprint()})

def is_here(host):  # this machine, which no proxy reaches
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

def address_of(text):
    try:
        url = urllib.parse.urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        raise Fault("this is not a URL with a host and a port") from None
    if not re.fullmatch(r"[!-\[\]-~]+", text) or not host:
        raise Fault("this is not a URL with a host, in visible ASCII characters")
    if url.scheme != "https" and not (url.scheme == "http" and is_here(host)):
        raise Fault("the address must begin with https://, or with http:// to this machine")
    if "@" in url.netloc or url.fragment:
        raise Fault("the address must contain neither a user nor a fragment (#)")
    return text

def text_of(value):
    if not isinstance(value, str) or not value.strip():
        raise Fault("the value must be a text that is not empty")
    if value != value.strip():
        raise Fault("the value begins or ends with a space or a line break")
    return value

def number_of(value, least, most):
    if type(value) is not int or not least <= value <= most:
        raise Fault(f"the value must be a whole number from {least} to {most}")
    return value

def proxy_of(scheme):  # the small letters win, as in curl
    for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
        if text := os.environ.get(name, "").strip():
            text = text if "://" in text else "http://" + text
            if not re.match(r"https?://[^/:]", text):
                raise Fault(f"{name}: this is not the address of an HTTP proxy (http://HOST:PORT)")
            return text

def load(path):
    faults, found = [], types.SimpleNamespace(keys={name: [] for name in KEYS}, proxies={})
    def note(name, read, *arguments):
        try:
            return read(*arguments)
        except Fault as why:
            faults.append(f"{name}: {why}" if name else str(why))
    def keys(name, value, base, label):  # a JWK, a JWK set, a path, or a list of these
        private, use = name != "hub_keys", "enc" if name == "encryption_keys" else "sig"
        parts = value if isinstance(value, list) else value["keys"] if isinstance(value, dict) and isinstance(value.get("keys"), list) else [value]
        if not parts:
            faults.append(f"{label}: the list holds no key")
        for part in parts:
            if isinstance(part, str) and base:
                for file in filter(None, map(str.strip, part.split(","))):
                    if (content := note(f"{name}: {file}", json_of, base / file)) is not None:
                        keys(name, content, None, f"{name}: {file}")
            elif key := note(label, key_of, part, private, use):
                found.keys[name].append(key)
    given = note(path.name, json_of, path)
    if given is not None and not isinstance(given, dict):
        faults.append(f"{path.name}: the file is not a JSON object")
    elif given is not None:
        faults += [f"{name}: no such setting exists" for name in given if name not in (*NUMBERS, *TEXTS, *KEYS)]
        faults += [f"{name}: the setting is missing" for name in NEEDED if name not in given]
        for name in TEXTS:
            value = note(name, text_of, given[name]) if name in given else None
            if value and name == "agency" and not re.fullmatch(r"\d\d(\d\d(\d\d)?)?", value):
                faults.append("agency: an agency code is the first 2, 4 or 6 digits of a division code")
            if value and name == "reports_by" and value != "http":
                faults.append("reports_by: this example reports over HTTP (http)")
            setattr(found, name, note(name, address_of, value) if value and name.endswith("_url") else value)
        for name, (least, most, default) in NUMBERS.items():
            setattr(found, name, note(name, number_of, given[name], least, most) if name in given else default)
        for name in KEYS:
            if name in given and (name, given[name]) != ("hub_keys", None):
                keys(name, given[name], path.parent, name)
        if len(found.keys["signing_key"]) > 1:
            faults.append("signing_key: exactly one signing key is allowed")
        if found.ca_bundle:
            found.ca_bundle = str(path.parent / found.ca_bundle)
            try:
                ssl.create_default_context(cafile=found.ca_bundle)
            except (OSError, ssl.SSLError):
                faults.append("ca_bundle: the file holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
    found.region = os.environ.get("AWS_REGION")
    if not found.region:
        faults.append("AWS_REGION: the variable is not set")
    for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):  # a role needs none of them
        if os.environ.get(name):
            note(name, text_of, os.environ[name])
    found.proxies = {scheme: proxy for scheme in ("http", "https") if (proxy := note("", proxy_of, scheme))}
    if faults:
        print("the configuration is wrong:", *faults, sep="\n  ", file=sys.stderr)
        raise SystemExit(3)
    return found

def way(settings, url):  # the proxies on the way to a URL, by scheme; this machine is reached without
    except_for = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    url = urllib.parse.urlsplit(url)
    bypassed = is_here(url.hostname) or urllib.request.proxy_bypass_environment(url.netloc, {"no": except_for})
    return {} if bypassed else settings.proxies

"""A host behind TLS inspection: its certificate is from an authority of its own, which goes to ca.pem in the folder given.
Prints the port, then a line for each request."""
import datetime, http.server, ipaddress, pathlib, ssl, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

folder, now = pathlib.Path(sys.argv[1]), datetime.datetime.now(datetime.timezone.utc)
day = datetime.timedelta(days=1)


def named(name):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def certificate(name, key, issuer, signer, *extensions):
    made = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer)).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    for extension, critical in extensions:
        made = made.add_extension(extension, critical)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


authority, host = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
usage = dict.fromkeys(["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                       "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"], False)
identifier = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
(folder / "ca.pem").write_bytes(certificate(
    "inspection", authority, "inspection", authority, (x509.BasicConstraints(ca=True, path_length=0), True),
    (x509.KeyUsage(**{**usage, "key_cert_sign": True}), True), (identifier, False)))
(folder / "host.pem").write_bytes(certificate(
    "host", host, "inspection", authority, (x509.BasicConstraints(ca=False, path_length=None), True),
    (x509.KeyUsage(**{**usage, "digital_signature": True}), True),
    (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), False),
    (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False),
    (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)))
(folder / "host.key").write_bytes(host.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


class Host(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        print(self.headers.get("x-amz-target") or f"{self.command} {self.path}", flush=True)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder / "host.pem", folder / "host.key")
# Each connection does its handshake in its own thread.
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.handle_error = lambda *_: None  # a client that does not trust the authority
print(server.server_port, flush=True)
server.serve_forever()

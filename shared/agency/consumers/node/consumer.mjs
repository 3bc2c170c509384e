// An agency's consumer in Node 20, complete except for its decisions, which decisions.mjs makes. Runs until SIGTERM.
//   node consumer.mjs agency.json    (AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment)
import { createHash } from "node:crypto";
import { fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ChangeMessageVisibilityCommand, DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { CompactSign, compactDecrypt, compactVerify, createLocalJWKSet, createRemoteJWKSet, importJWK } from "jose";
import { decide } from "./decisions.mjs";

class Over extends Error {} // the hub accepts no more reports on this case from this agency
class Left extends Error {} // SQS delivers the message again; after ten deliveries it moves to the dead-letter queue
const ENDS = ["not_found", "illegal_step", "other_leg", "stale_version"]; // the problems after which a case is over
const refuse = (why) => { throw new Left(why); };
const plain = (path, text) => text.startsWith("\ufeff")
  ? process.exit(console.error(`${path} begins with a byte order mark: save it as UTF-8 without one`) ?? 3) : text;
const file = (path) => resolve(dirname(process.argv[2]), path), read = (path) => JSON.parse(plain(path, readFileSync(file(path), "utf8")));
const settings = read(resolve(process.argv[2]));
const { agency, queue_url: QueueUrl, visibility_seconds: VisibilityTimeout = 60, concurrency = 8 } = settings;
const hub = settings.hub_url.replace(/\/$/, "");
const jwks = (given) => [given].flat().flatMap((key) => typeof key === "string" ? jwks(read(key)) : key.keys ?? key);
const [signing] = jwks(settings.signing_key);
const signingKey = await importJWK(signing, "ES256");
const own = new Map(await Promise.all(jwks(settings.encryption_keys).map(async (key) => [key.kid, await importJWK(key, "ECDH-ES")])));
// Caches the published keys, and fetches them again for an unknown kid, at most every 10 seconds.
const hubKeys = settings.hub_keys ? createLocalJWKSet({ keys: jwks(settings.hub_keys) })
  : createRemoteJWKSet(new URL(`${hub}/.well-known/jwks.json`), { cooldownDuration: 10_000, timeoutDuration: 10_000 });
const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
const log = (...told) => console.log(new Date().toISOString(), ...told); // ids and codes, never the content of a case
const sha256 = (content, form) => createHash("sha256").update(content).digest(form);
let skew = 0; // seconds by which the hub's clock is ahead
// The last handled version of each case, on disk before its message is deleted.
const inbox = openSync(file("handled.log"), "a+"), handled = new Map();
const knows = ({ application, version }) => (handled.get(application) ?? 0) >= version;
const learn = (told) => knows(told) || handled.set(told.application, told.version);
const keep = (told) => (writeSync(inbox, `\n${told.application} ${told.version}`), fsyncSync(inbox), learn(told));
for (const [application, version] of readFileSync(inbox, "utf8").split("\n").map((line) => line.split(" ")))
  learn({ application, version: Number(version) || 0 });
// Decrypts and verifies a case, and compares it with the envelope.
async function open(body) {
  const envelope = JSON.parse(body);
  const jwe = { keyManagementAlgorithms: ["ECDH-ES"], contentEncryptionAlgorithms: ["A256GCM"] };
  const { plaintext } = await compactDecrypt(envelope.data, ({ kid }) => own.get(kid) ?? refuse("not encrypted to this agency"), jwe);
  const { payload, protectedHeader } = await compactVerify(plaintext, hubKeys, { algorithms: ["ES256"] });
  const told = JSON.parse(Buffer.from(payload));
  const agrees = protectedHeader.typ === "tongban-case+jws" && told.agency === agency && envelope.subject === told.application
    && envelope.id === `${told.application}:${told.version}` && envelope.type === `cn.tongban.case.${told.notice}.v1`;
  return agrees ? { ...told, seen: told.version } : refuse("not a case of this agency in its own envelope");
}
// Posts signed claims and retries temporary failures. Signs again by the hub's clock when the signature expired.
async function post(path, typ, claims) {
  for (let tried = 0; ; tried++) {
    const said = Buffer.from(JSON.stringify({ ...claims, agency, iat: Math.floor(Date.now() / 1000 + skew) }));
    const body = await new CompactSign(said).setProtectedHeader({ alg: "ES256", typ, kid: signing.kid }).sign(signingKey);
    const request = { method: "POST", body, headers: { "content-type": "application/jose" }, redirect: "error" };
    const answer = await fetch(hub + path, { ...request, signal: AbortSignal.timeout(30_000) }).catch(() => ({ status: 599 }));
    const told = await answer.json?.().catch(() => ({})) ?? {};
    if (answer.status === 200) return told;
    // Only a problem of the hub ends a case: a proxy may answer anything, in any status.
    const [, problem] = /^\/problems\/([a-z_]+)$/.exec(told?.type) ?? [];
    const code = `${answer.status} ${problem ?? "not an answer of the hub"}`;
    const passes = !problem || answer.status >= 429 || ["signature_expired", "documents_missing"].includes(problem);
    if (!passes || tried === 7) throw ENDS.includes(problem) ? new Over(code) : new Left(code);
    if (code.endsWith("signature_expired")) skew = told.now - Date.now() / 1000;
    else await sleep(200 + Math.random() * Math.min(20_000, 300 * 2 ** tried));
  }
}
// The id derives from the content: a report repeated after a crash is the same report.
async function report(told, kind, result = {}) {
  const claims = { application: told.application, seen: told.seen, kind, ...result };
  const report_id = sha256(JSON.stringify(claims), "hex").replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, "$1-$2-8$3-8$4-$5");
  told.seen = (await post("/v1/reports", "tongban-report+jws", { ...claims, report_id })).version;
  log(told.application, told.seen, kind);
}
// Requests a presigned link and follows it. 412: an earlier try succeeded. After 409 (a try in progress) the message
// comes again.
async function follow({ application }, action, body) {
  const link = await post("/v1/agency/documents", "tongban-document+jws", { application, ...action });
  const headers = Object.entries(link.headers).filter(([name]) => !/^(host|content-length)$/i.test(name));
  const answer = await fetch(link.url, { method: link.method, headers, body, redirect: "error", signal: AbortSignal.timeout(60_000) });
  return [200, 412].includes(answer.status) ? Buffer.from(await answer.arrayBuffer()) : refuse(`document ${answer.status}`);
}
async function fetched(told, { id, size, sha256: sum }) {
  const content = await follow(told, { action: "fetch", document: id });
  return content.length === size && sha256(content, "base64") === sum ? content : refuse("another document than the case names");
}
const upload = (told, pdf) => follow(told, {
  action: "upload", document: told.upload, media_type: "application/pdf", size: pdf.length, sha256: sha256(pdf, "base64"),
}, pdf);
// Handles the messages of one case in order. A message that must be retried delays the later messages.
async function work(messages) {
  const hide = (VisibilityTimeout) => Promise.allSettled(messages.map(({ ReceiptHandle }) =>
    sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }))));
  const beat = setInterval(() => hide(VisibilityTimeout), VisibilityTimeout * 333);
  try {
    for (; messages.length && !stop.signal.aborted; messages.shift()) {
      const told = await open(messages[0].Body);
      if (!knows(told)) await decide(told, { report, fetched, upload }).catch((why) => {
        if (!(why instanceof Over)) throw why;
        log(told.application, told.version, "is over:", why.message);
      });
      keep(told);
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: messages[0].ReceiptHandle }));
    }
    if (messages.length) await hide(0);
  } catch (why) { // the error's text may quote the case: log only the texts of our own errors
    log(messages[0].MessageId, "stays:", why instanceof Left ? why.message : why.name);
  } finally { clearInterval(beat); }
}

const stop = new AbortController(), busy = new Set();
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => stop.abort());
while (!stop.signal.aborted) {
  const receive = new ReceiveMessageCommand({ QueueUrl, VisibilityTimeout, WaitTimeSeconds: settings.wait_seconds ?? 20,
    MaxNumberOfMessages: Math.min(10, concurrency - busy.size), MessageSystemAttributeNames: ["MessageGroupId"] });
  const answer = await sqs.send(receive, { abortSignal: stop.signal })
    .catch((why) => stop.signal.aborted || (log("queue:", why.name) ?? sleep(1_000 + Math.random() * 4_000)));
  const groups = {}; // one message group for each application
  for (const message of answer?.Messages ?? []) (groups[message.Attributes.MessageGroupId] ??= []).push(message);
  for (const messages of Object.values(groups)) {
    const task = work(messages).finally(() => busy.delete(task));
    busy.add(task);
  }
  if (busy.size >= concurrency) await Promise.race(busy);
}
await Promise.all(busy); // finish the messages in progress; SQS delivers the rest again

// An agency's consumer in Node 20, complete except for its decisions, which decisions.mjs makes. Runs until SIGTERM.
//   node consumer.mjs agency.json    (AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment)
import { begin, end, stop, stopped } from "./stop.mjs";
import { createHash } from "node:crypto";
import { appendFileSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
// The rest loads while signals are heard already.
const { settings } = await import("./settings.mjs");
const { decide } = await import("./decisions.mjs");
const { CompactSign, compactDecrypt, compactVerify, createLocalJWKSet, createRemoteJWKSet } = await import("jose");
const { EnvHttpProxyAgent, setGlobalDispatcher } = await import("undici");
const { FetchHttpHandler } = await import("@smithy/fetch-http-handler");
const { ChangeMessageVisibilityCommand, DeleteMessageCommand, ReceiveMessageCommand, SQSClient } = await import("@aws-sdk/client-sqs");

class Over extends Error {} // the hub accepts no more reports on this case from this agency
class Left extends Error {} // SQS delivers the message again; after ten deliveries it moves to the dead-letter queue
const ENDS = ["not_found", "illegal_step", "other_leg", "stale_version"]; // the problems after which a case is over
const refuse = (why) => { throw new Left(why); };
const GRACE = 8_000; // for work in progress after a signal; `docker stop` kills after ten seconds
const { agency, queue_url: QueueUrl, visibility_seconds: VisibilityTimeout, concurrency } = settings;
const hub = settings.hub_url.replace(/\/$/, "");
const [{ kid: signingKid, key: signingKey }] = settings.signing_key;
const own = new Map(settings.encryption_keys.map(({ kid, key }) => [kid, key]));
// Caches the published keys, and fetches them again for an unknown kid, at most every 10 seconds.
const hubKeys = settings.hub_keys ? createLocalJWKSet({ keys: settings.hub_keys.map(({ jwk }) => jwk) })
  : createRemoteJWKSet(new URL(`${hub}/.well-known/jwks.json`), { cooldownDuration: 10_000, timeoutDuration: 10_000 });
// Hub, links and SQS (by its fetch handler) go by the same proxy, and trust the same authorities.
const tls = { ca: settings.authorities };
setGlobalDispatcher(new EnvHttpProxyAgent({ httpProxy: settings.proxy, httpsProxy: settings.proxy, noProxy: settings.noProxy,
  connect: { ...tls, timeout: 5_000 }, requestTls: tls, proxyTls: tls }));
const sqs = new SQSClient({ useQueueUrlAsEndpoint: false, region: process.env.AWS_REGION,
  requestHandler: new FetchHttpHandler({ requestTimeout: 30_000, // fetch itself writes the length
    requestInit: ({ headers: { "content-length": _, ...headers } }) => ({ headers }) }) });
const log = (...told) => console.log(new Date().toISOString(), ...told); // ids and codes, never the content of a case
const sha256 = (content, form) => createHash("sha256").update(content).digest(form);
let skew = 0; // seconds by which the hub's clock is ahead
// The last handled version of each case, on disk before its message is deleted.
const kept = resolve(settings.base, "handled.log"), handled = new Map();
const inbox = (() => {
  try { return openSync(kept, "a+"); } catch (why) { console.error(`the inbox ${kept} cannot be used: ${why.code}`); return process.exit(1); }
})();
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
    const body = await new CompactSign(said).setProtectedHeader({ alg: "ES256", typ, kid: signingKid }).sign(signingKey);
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
    else await sleep(200 + Math.random() * Math.min(20_000, 300 * 2 ** tried), null, { signal: stop.signal }).catch(() => refuse("the consumer stops"));
  }
}
// The id derives from the content: a report repeated after a crash is the same report.
async function report(told, kind, result = {}) {
  const claims = { application: told.application, seen: told.seen, kind, ...result };
  const report_id = sha256(JSON.stringify(claims), "hex").replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, "$1-$2-8$3-8$4-$5");
  const { version, receipt = "-" } = await post("/v1/reports", "tongban-report+jws", { ...claims, report_id });
  appendFileSync(resolve(settings.base, "receipts.log"), `${told.application} ${version} ${receipt}\n`); // the hub's signed proof that it has the report
  told.seen = version;
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

// SQS's own code, or what stands in the way.
const innermost = (why) => why.cause ? innermost(why.cause) : why;
const cause = (why) => why.cause ? `${why.name} ${innermost(why).message}` : why.name;
const busy = new Set();
begin();
while (!stop.signal.aborted) {
  const receive = new ReceiveMessageCommand({ QueueUrl, VisibilityTimeout, WaitTimeSeconds: settings.wait_seconds ?? 20,
    MaxNumberOfMessages: Math.min(10, concurrency - busy.size), MessageSystemAttributeNames: ["MessageGroupId"] });
  const answer = await sqs.send(receive, { abortSignal: stop.signal })
    .catch((why) => stop.signal.aborted || (log("the queue is away:", cause(why))
      ?? sleep(1_000 + Math.random() * 4_000, null, { signal: stop.signal }).catch(() => {})));
  const groups = {}; // one message group for each application
  for (const message of answer?.Messages ?? []) (groups[message.Attributes.MessageGroupId] ??= []).push(message);
  for (const messages of Object.values(groups)) {
    const task = work(messages).finally(() => busy.delete(task));
    busy.add(task);
  }
  if (busy.size >= concurrency) await Promise.race([...busy, stopped]);
}
await Promise.race([Promise.all(busy), sleep(GRACE)]);
end(busy.size ? `; SQS delivers ${busy.size} unfinished cases again` : "");

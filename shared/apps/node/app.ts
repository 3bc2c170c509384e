// An app backend: opens an application, uploads its documents, and receives callbacks until a stage is reached.
//
//   npm ci && npm run types && npm run build
//   eval "$(cargo run --quiet -- token --export)"
//   node app.js ../examples/first-card.request.json ready ../examples/documents/*.pdf ../examples/documents/proof-*.jpg
//
// The files are in the order of the body's `documents`. Exit codes: 0 the stage is reached, 1 failed.

import { createHash, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Webhook } from "standardwebhooks";
import type { components } from "./hub.js";

type Schemas = components["schemas"];
type Application = Schemas["ApplicationView"];
type Subscription = Schemas["SubscriptionView"];
type Link = Schemas["Link"];
type Callback = Schemas["Callback"];

/** The hub refused a request. Decide by `problem.type`. */
class Refused extends Error {
  constructor(readonly problem: Schemas["Problem"]) {
    const wrong = (problem.errors ?? []).map((error) => `${error.pointer} ${error.code}`);
    super([`${problem.status} ${problem.title}`, ...wrong].join("; "));
  }
}

const BODY_BYTES = 64 * 1024;
const DEADLINE = AbortSignal.timeout(120_000);
const { URL: hub, TOKEN: token } = process.env;
const [bodyPath, stage, ...documents] = process.argv.slice(2);
if (!hub || !token || !bodyPath || !stage) {
  throw new Error("usage: URL=… TOKEN=… node app.js BODY.json STAGE DOCUMENT…");
}

/** Temporary failures: rate limit, no answer behind the gateway, hub not available. */
const PASSING = [429, 502, 503, 504];

/** Sends a request, and retries after a temporary failure or no answer. The idempotency key makes the retry safe. */
async function ask<T>(method: string, path: string, body?: unknown, key: string = randomUUID()): Promise<T> {
  for (let pause = 250; ; pause = Math.min(2 * pause, 8_000)) {
    const request = fetch(hub + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        "idempotency-key": key,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: DEADLINE,
    });
    const answer = await request.catch((error: unknown) => {
      if (DEADLINE.aborted) throw error;
      return undefined;
    });
    if (answer?.status === 204) return undefined as T;
    if (answer?.ok) return (await answer.json()) as T;
    if (answer && !PASSING.includes(answer.status)) {
      throw new Refused((await answer.json()) as Schemas["Problem"]);
    }
    await answer?.body?.cancel();
    const asked = Number(answer?.headers.get("retry-after") ?? 0) * 1_000;
    await delay(Math.max(asked, pause * (0.5 + Math.random())), undefined, { signal: DEADLINE });
  }
}

/** Uploads a file to its link, with exactly the headers that the link names. A link takes one file once, so a retry is safe. */
async function upload(link: Link, bytes: Buffer): Promise<void> {
  const { url, method, headers } = link;
  for (let pause = 250; ; pause = Math.min(2 * pause, 8_000)) {
    const request = fetch(url, { method, headers: headers ?? {}, body: new Uint8Array(bytes), signal: DEADLINE });
    const answer = await request.catch((error: unknown) => {
      if (DEADLINE.aborted) throw error;
      return undefined;
    });
    await answer?.body?.cancel();
    // 412: the file has arrived, and the answer to an earlier try was lost.
    if (answer?.ok || answer?.status === 412) return;
    // 409: an earlier try is still in progress. The link is a secret, so no error shows it.
    if (answer && ![409, 500, ...PASSING].includes(answer.status)) {
      throw new Error(`an upload was answered ${answer.status}`);
    }
    await delay(pause * (0.5 + Math.random()), undefined, { signal: DEADLINE });
  }
}

/** Opens the application, and uploads each document to the link in the response. */
async function file(body: Schemas["NewApplication"], paths: string[]): Promise<Application> {
  // A real backend stores this key with its own record before it sends the request.
  const opened = await ask<Application>("POST", "/v1/applications", body, randomUUID());
  const open = opened.documents.filter((slot) => slot.upload);
  for (const [index, document] of (body.documents ?? []).entries()) {
    const path = paths[index];
    if (!path) throw new Error(`no file for ${document.kind}`);
    const bytes = await readFile(path);
    const sha256 = createHash("sha256").update(bytes).digest("base64");
    if (sha256 !== document.sha256) throw new Error(`${path} is not the ${document.kind} that the body declares`);
    // Each link is signed for one file. Two pages may be the same file, so each link is used once.
    const at = open.findIndex((slot) => slot.upload?.headers?.["x-amz-checksum-sha256"] === sha256);
    const slot = open[at];
    if (!slot?.upload) throw new Error(`no link for ${document.kind}`);
    open.splice(at, 1);
    await upload(slot.upload, bytes);
    console.log(`uploaded ${slot.requirement}`);
  }
  return opened;
}

async function read(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > BODY_BYTES) throw new Error("too large");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** Receives callbacks, and passes on those that verify. Before the subscription has a secret, none verifies. */
function listen(secret: () => string | undefined, heard: (callback: Callback) => void): Promise<Server> {
  const server = createServer(async (request, response) => {
    try {
      const known = secret();
      if (!known) throw new Error("nobody has subscribed");
      const headers = request.headers as Record<string, string>;
      heard(new Webhook(known).verify(await read(request), headers) as Callback);
      response.writeHead(204).end();
    } catch (error) {
      console.error(`refused a callback: ${(error as Error).message}`);
      response.writeHead(401).end();
    }
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

let subscription: Subscription | undefined;
const reached = new Set<string>();
let news: () => void = () => {};
const server = await listen(
  () => subscription?.secret,
  ({ type, data }) => {
    console.log(`${type} ${data.application} v${data.version} ${data.stage}`);
    reached.add(`${data.application} ${data.stage}`);
    news();
  },
);
try {
  const { port } = server.address() as AddressInfo;
  const wanted: Schemas["NewSubscription"] = { url: `http://127.0.0.1:${port}/callbacks` };
  subscription = await ask<Subscription>("POST", "/v1/subscriptions", wanted);
  const body = JSON.parse(await readFile(bodyPath, "utf8")) as Schemas["NewApplication"];
  const { id } = await file(body, documents);
  while (!reached.has(`${id} ${stage}`)) {
    // A callback only triggers a read of the application. Without one, the application is read every 20 seconds.
    const knock = new Promise<void>((resolve) => (news = resolve));
    await Promise.race([knock, delay(20_000, undefined, { signal: DEADLINE })]);
    const view = await ask<Application>("GET", `/v1/applications/${id}`);
    reached.add(`${id} ${view.stage}`);
    if (view.final && view.stage !== stage) throw new Error(`it ended as ${view.stage}`);
  }
  console.log(`reached ${stage}`);
} finally {
  if (subscription) await ask<void>("DELETE", `/v1/subscriptions/${subscription.id}`);
  server.closeAllConnections();
  server.close();
}

// Reads agency.json, the keys beside it and the variables, and names every fault at once, one line each (exit code 3).
import { readFileSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { calculateJwkThumbprint, importJWK } from "jose";

const BYTES = 1024 * 1024;
const NUMBERS = { wait_seconds: [0, 20, 20], visibility_seconds: [5, 43_200, 60], concurrency: [1, 1_000, 8] }; // least, most, default
const TEXTS = ["agency", "queue_url", "reports_queue_url", "hub_url", "reports_by", "inbox", "ca_bundle"];
const KEYS = { signing_key: "sig", encryption_keys: "enc", hub_keys: "sig" };
const NEEDED = ["agency", "queue_url", "hub_url", "signing_key", "encryption_keys"];
const faults = [];

class Fault extends Error {} // what is wrong with one value, in words that quote no key
const refuse = (why) => { throw new Fault(why); };
const note = (name, read) => {
  try { return read(); } catch (why) {
    if (!(why instanceof Fault)) throw why;
    faults.push(name ? `${name}: ${why.message}` : why.message);
  }
};

function bytesOf(path) {
  try {
    return statSync(path).size > BYTES ? refuse("the file is over 1 MiB") : readFileSync(path);
  } catch (why) {
    if (why instanceof Fault) throw why;
    const words = { ENOENT: "no such file exists", EACCES: "this user may not read the file", EISDIR: "this is a folder" };
    return refuse(words[why.code] ?? why.code);
  }
}

// JSON.parse keeps the last of repeated members without a word.
function repeated(text) {
  const open = [], found = new Set();
  for (const [token, name, isMember] of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (token === "{" || token === "[") open.push(new Set());
    else if (token === "}" || token === "]") open.pop();
    else if (isMember) {
      const member = JSON.parse(name), names = open.at(-1);
      if (names.has(member)) found.add(member);
      names.add(member);
    }
  }
  return [...found];
}

function jsonOf(path) { // I-JSON: UTF-8 without a mark, and each member once
  const bytes = bytesOf(path);
  if (bytes.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])))
    refuse("the file begins with a byte order mark (EF BB BF): save it as UTF-8 without one");
  let text, value;
  try { text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); } catch { refuse("the file is not UTF-8"); }
  try { value = JSON.parse(text); } catch (why) { // its message may quote the file, which may hold a private key
    const [, at] = /position (\d+)/.exec(why.message) ?? [, text.length], lines = text.slice(0, at).split("\n");
    refuse(`not JSON at line ${lines.length}, column ${lines.at(-1).length + 1}`);
  }
  const twice = repeated(text);
  return twice.length ? refuse(`members are repeated: ${twice.join(", ")}`) : value;
}

function checkKey(value, isPrivate, use) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse("a key is a JSON object (a JWK)");
  if (value.kty !== "EC" || value.crv !== "P-256") refuse("the key is not on the curve P-256 (kty EC, crv P-256)");
  if (isPrivate && !("d" in value)) refuse("this is a public key; the private one is needed");
  if (!isPrivate && "d" in value) refuse("this is a private key; the hub gives public ones");
  if ((value.use ?? use) !== use)
    refuse(`this key is for ${use === "sig" ? "encryption" : "signatures"} (use ${value.use}), not for use ${use}`);
  return value;
}

const isHere = (host) => /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(host); // this machine, which no proxy reaches

function checkAddress(text) {
  const url = /^[!-[\]-~]+$/.test(text) && /^[a-z]+:\/\/[^/]/i.test(text) && URL.canParse(text) ? new URL(text)
    : refuse("this is not a URL with a host, in visible ASCII characters");
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isHere(url.hostname)))
    refuse("the address must begin with https://, or with http:// to this machine");
  if (url.username || url.password || url.hash) refuse("the address must contain neither a user nor a fragment (#)");
  return text;
}

function checkText(value) {
  if (typeof value !== "string" || !value.trim()) refuse("the value must be a text that is not empty");
  return value === value.trim() ? value : refuse("the value begins or ends with a space or a line break");
}

const checkNumber = (value, least, most) => Number.isInteger(value) && value >= least && value <= most ? value
  : refuse(`the value must be a whole number from ${least} to ${most}`);

function variable(...names) { // the small letters win, as in curl
  for (const name of names) if (process.env[name]?.trim()) return [name, process.env[name].trim()];
}

// Every address but those of this machine is https, so one proxy serves all.
function proxyOf() {
  const [name, text] = variable("https_proxy", "HTTPS_PROXY") ?? [];
  if (!text) return "";
  const url = text.includes("://") ? text : `http://${text}`;
  return /^https?:\/\/[^/:]/.test(url) && URL.canParse(url) ? url
    : refuse(`${name}: this is not the address of an HTTP proxy (http://HOST:PORT)`);
}

async function keysOf(name, value, base, label = name) { // a JWK, a JWK set, a path, or a list of these
  const parts = [value].flat().flatMap((part) => Array.isArray(part?.keys) ? part.keys : [part]), found = [];
  if (!parts.length) faults.push(`${label}: the list holds no key`);
  for (const part of parts) {
    if (typeof part === "string" && base) {
      for (const file of part.split(",").map((path) => path.trim()).filter(Boolean)) {
        const content = note(`${name}: ${file}`, () => jsonOf(resolve(base, file)));
        if (content !== undefined) found.push(...await keysOf(name, content, null, `${name}: ${file}`));
      }
    } else if (note(label, () => checkKey(part, name !== "hub_keys", KEYS[name]))) {
      try {
        const key = await importJWK(part, KEYS[name] === "sig" ? "ES256" : "ECDH-ES");
        found.push({ jwk: part, kid: part.kid || await calculateJwkThumbprint(part), key });
      } catch { faults.push(`${label}: the numbers of the key (x, y, d) are wrong or missing`); }
    }
  }
  return found;
}

async function load(path) {
  const found = {}, base = dirname(path), given = note(basename(path), () => jsonOf(path));
  if (given !== undefined && (typeof given !== "object" || given === null || Array.isArray(given))) {
    faults.push(`${basename(path)}: the file is not a JSON object`);
  } else if (given !== undefined) {
    const known = [...Object.keys(NUMBERS), ...TEXTS, ...Object.keys(KEYS)];
    for (const name of Object.keys(given)) if (!known.includes(name)) faults.push(`${name}: no such setting exists`);
    for (const name of NEEDED) if (!(name in given)) faults.push(`${name}: the setting is missing`);
    for (const name of TEXTS.filter((text) => text in given)) {
      const value = note(name, () => checkText(given[name]));
      if (value && name === "agency" && !/^\d\d(\d\d(\d\d)?)?$/.test(value))
        faults.push("agency: an agency code is the first 2, 4 or 6 digits of a division code");
      if (value && name === "reports_by" && value !== "http") faults.push("reports_by: this example reports over HTTP (http)");
      found[name] = value && name.endsWith("_url") ? note(name, () => checkAddress(value)) : value;
    }
    for (const [name, [least, most, otherwise]] of Object.entries(NUMBERS))
      found[name] = name in given ? note(name, () => checkNumber(given[name], least, most)) : otherwise;
    for (const name of Object.keys(KEYS).filter((key) => key in given && !(key === "hub_keys" && given[key] === null)))
      found[name] = await keysOf(name, given[name], base);
    if (found.signing_key?.length > 1) faults.push("signing_key: exactly one signing key is allowed");
    const authorities = found.ca_bundle && note("ca_bundle", () => bytesOf(resolve(base, found.ca_bundle)));
    if (authorities && !authorities.includes("-----BEGIN CERTIFICATE-----"))
      faults.push("ca_bundle: the file holds no certificate in PEM (-----BEGIN CERTIFICATE-----)");
    found.authorities = authorities || undefined;
  }
  if (!variable("AWS_REGION")) faults.push("AWS_REGION: the variable is not set");
  for (const name of ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"]) // a role needs no key
    if (variable(name)) note(name, () => checkText(process.env[name]));
  found.proxy = note("", proxyOf);
  const [, except = ""] = variable("no_proxy", "NO_PROXY") ?? [];
  found.noProxy = except === "*" ? "*" : `${except},localhost,127.0.0.1,[::1]`;
  if (faults.length) {
    console.error(["the configuration is wrong:", ...faults].join("\n  "));
    process.exit(3);
  }
  return { ...found, base };
}

if (process.argv.length !== 3) {
  console.error("node consumer.mjs agency.json");
  process.exit(2);
}
export const settings = await load(resolve(process.argv[2]));

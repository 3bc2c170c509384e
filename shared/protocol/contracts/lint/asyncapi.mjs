// Parses an AsyncAPI document with the official parser. Every diagnosis fails, hints too, except those named here.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

// The parser recommends the newest version of the specification; SQS bindings and all generators support 3.0.0.
const ALLOWED = new Set(["asyncapi-latest-version"]);

const [path] = process.argv.slice(2);
const parser = new Parser();
const { document, diagnostics } = await parser.parse(await readFile(path, "utf8"));
const faults = diagnostics.filter((found) => !ALLOWED.has(String(found.code)));
for (const found of faults) {
  const at = `${found.range.start.line + 1}:${found.range.start.character + 1}`;
  console.error(`${at} ${found.code} ${found.path.join("/")}: ${found.message}`);
}
if (!document || faults.length > 0) {
  process.exit(1);
}
const operations = document.operations().all().map((operation) => operation.id());
const messages = document.messages().all().map((message) => message.id());
console.log(JSON.stringify({ operations, messages: [...new Set(messages)].sort() }));

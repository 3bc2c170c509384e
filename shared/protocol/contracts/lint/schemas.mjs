// Compiles the JSON Schemas with Ajv in strict mode (draft 2020-12) and validates examples against them, including those of
// the API documents, each against its own schema.
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { load } from "js-yaml";

const [folder] = process.argv.slice(2);
const faults = [];
let compiled = 0;
let examples = 0;

function ajv() {
  const made = new Ajv2020({ strict: true, allErrors: true });
  addFormats(made);
  return made;
}

for (const name of (await readdir(join(folder, "schemas"))).sort()) {
  const schema = JSON.parse(await readFile(join(folder, "schemas", name), "utf8"));
  try {
    ajv().compile(schema);
    compiled += 1;
  } catch (error) {
    faults.push(`${name}: ${error.message}`);
  }
}

// A separate document, so that `#/components/schemas/...` resolves.
async function check(name, places) {
  const document = load(await readFile(join(folder, name), "utf8"));
  const made = ajv();
  const id = `urn:tongban:${name}`;
  const root = { $id: id, components: { schemas: document.components.schemas } };
  made.addKeyword("components");
  made.addSchema(root);
  for (const { at, schema, value } of places(document)) {
    const placed = JSON.parse(JSON.stringify(schema).replaceAll('"#/components', `"${id}#/components`));
    examples += 1;
    try {
      const validate = made.compile(placed);
      if (!validate(value)) {
        faults.push(`${name} ${at}: ${made.errorsText(validate.errors)}`);
      }
    } catch (error) {
      faults.push(`${name} ${at}: ${error.message}`);
    }
  }
}

function* http(document) {
  const example = (given) => (given.$ref ? document.components.examples[given.$ref.split("/").pop()] : given).value;
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const operation of Object.values(methods)) {
      for (const [status, response] of Object.entries(operation.responses)) {
        const answer = response.$ref ? document.components.responses[response.$ref.split("/").pop()] : response;
        for (const content of Object.values(answer.content ?? {})) {
          for (const [name, given] of Object.entries(content.examples ?? {})) {
            yield { at: `${path} ${status} ${name}`, schema: content.schema, value: example(given) };
          }
        }
      }
      const payload = operation.requestBody?.content["application/jose"]?.schema.contentSchema;
      for (const [name, value] of Object.entries(operation["x-payload-examples"] ?? {})) {
        yield { at: `${path} ${name}`, schema: payload, value };
      }
      for (const [name, value] of Object.entries(operation["x-receipt-examples"] ?? {})) {
        yield { at: `${path} receipt ${name}`, schema: { $ref: "#/components/schemas/SignedReceipt" }, value };
      }
      const body = operation.requestBody?.content["application/json"];
      for (const [name, given] of Object.entries(body?.examples ?? {})) {
        yield { at: `${path} ${name}`, schema: body.schema, value: example(given) };
      }
    }
  }
}

await check("agency.openapi.yaml", http);
await check("app.openapi.json", http);

await check("agency.asyncapi.yaml", function* (document) {
  const of = (name) => ({ $ref: `#/components/schemas/${name}` });
  for (const [name, message] of Object.entries(document.components.messages)) {
    for (const example of message.examples) {
      yield { at: name, schema: message.payload, value: example.payload };
    }
    if (message["x-signed-case"]) {
      yield { at: `${name} case`, schema: of("Case"), value: message["x-signed-case"] };
    }
    if (message["x-signed-report"]) {
      yield { at: `${name} report`, schema: of("Report"), value: message["x-signed-report"] };
    }
  }
});

for (const fault of faults) {
  console.error(fault);
}
if (faults.length > 0) {
  process.exit(1);
}
console.log(JSON.stringify({ compiled, examples }));

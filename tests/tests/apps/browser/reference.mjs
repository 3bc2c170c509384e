// Opens pages in Chromium, which reaches only the host of each page, and prints what each page shows and asked for.
//
// node reference.mjs FOLDER OPERATION URL…: FOLDER is for the browser's own files and is the temporary folder (TMPDIR), OPERATION is unfolded where a page
// has it.
import { writeFileSync } from "node:fs";
import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";

const [folder, operation, ...addresses] = process.argv.slice(2);
const SOON = 60_000;

// The package brings a font into this folder, and a configuration that looks for fonts elsewhere. Without any font
// Chromium ends at the first input field.
const executablePath = await chromium.executablePath();
writeFileSync(`${folder}/fonts.conf`, `<fontconfig><dir>${folder}/fonts</dir><dir>/usr/share/fonts</dir></fontconfig>`);
process.env.FONTCONFIG_FILE = `${folder}/fonts.conf`;

const browser = await puppeteer.launch({
  executablePath,
  headless: "shell",
  userDataDir: `${folder}/profile`,
  // This build of Chromium runs in one process. The package's own list of arguments is not used: it switches off the
  // browser's checks of origins.
  args: ["--no-sandbox", "--no-zygote", "--single-process", "--in-process-gpu", "--use-angle=swiftshader"],
});

async function open(address) {
  const page = await browser.newPage();
  const seen = { address, errors: [], asked: [], blocked: [] };
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    const { protocol, host, pathname } = new URL(request.url());
    if (protocol === "data:") return request.continue();
    if (host !== new URL(address).host) {
      seen.blocked.push(request.url());
      return request.abort();
    }
    seen.asked.push(pathname);
    return request.continue();
  });
  page.on("console", (line) => {
    if (line.type() !== "log") seen.errors.push(`${line.type()}: ${line.text()}`);
  });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  await page.evaluateOnNewDocument(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => {
      window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  const answer = await page.goto(address, { timeout: SOON });
  seen.status = answer.status();
  await page.waitForSelector(".opblock", { timeout: SOON });
  const unfold = await page.$(`[id$="-${operation}"] .opblock-summary-control`);
  if (unfold) {
    await unfold.click();
    await page.waitForSelector(`[id$="-${operation}"] .parameters`, { timeout: SOON });
    seen.unfolded = await page.$eval(`[id$="-${operation}"]`, (block) => block.innerText);
  }
  Object.assign(seen, await page.evaluate(() => ({
    title: document.title,
    operations: [...document.querySelectorAll(".opblock-summary-operation-id")].map((id) => id.textContent.trim()),
    links: [...document.querySelectorAll("nav a, footer a")].map((link) => link.href),
    current: [...document.querySelectorAll("nav a[aria-current]")].map((link) => link.href),
    buttons: document.querySelectorAll(".try-out, .authorize, .execute").length,
    rules: [...document.styleSheets].map((sheet) => sheet.cssRules.length),
    violations: window.violations,
  })));
  if (process.env.SCREENSHOTS) {
    await page.setViewport({ width: 1200, height: 1600 });
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/${new URL(address).pathname.split("/").pop()}.png` });
  }
  await page.close();
  return seen;
}

const pages = [];
for (const address of addresses) pages.push(await open(address));
await browser.close();
console.log(JSON.stringify(pages));

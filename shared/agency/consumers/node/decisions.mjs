// The decisions, the part that an agency writes itself. This example decides by the applicant's name, as certification
// requires. `report` sends a report, `fetched` fetches a document of the case, `upload` uploads the issued certificate.
import { setTimeout as sleep } from "node:timers/promises";

const DAY = 86_400_000;
const inChina = (days) => new Date(Date.now() + 8 * 3_600_000 + days * DAY).toISOString().slice(0, 10);

export async function decide(told, { report, fetched, upload }) {
  if (told.notice === "withdrawn") return;
  if (told.notice !== "supplemented") await report(told, "received");
  for (const document of told.documents) await fetched(told, document); // and compare the document with the register
  const { name } = told.personal_data.applicant;
  if (name === "认证等待") await sleep(5_000); // the time of a clerk's work
  if (name === "认证补正" && told.notice !== "supplemented") {
    return report(told, "supplement_requested", { items: [{ name: "residence", accepts: ["other"], note: "" }] });
  }
  if (name === "认证不予") {
    const reason = "the register shows another entry";
    return report(told, told.purpose === "decide" ? "not_issued" : "rejected", { reason });
  }
  const number = `NO-${told.application.slice(0, 8)}`;
  if (told.purpose === "certify") await upload(told, Buffer.from(`%PDF-1.4\n% household certificate ${number}\n%%EOF\n`));
  const steps = {
    decide: [["signed"], ["produced"], ["ready", { place: "the hall of residence" }]],
    approve: [["approved", { permit: number }]],
    move_out: [["verified"], ["moved_out", { certificate: number, issued_on: inChina(0), valid_until: inChina(30) }]],
    settle: [["settled"]],
    restore: [["restored"]],
    certify: [["issued", { document: told.upload, certificate: number }]],
  };
  for (const step of steps[told.purpose]) await report(told, ...step);
}

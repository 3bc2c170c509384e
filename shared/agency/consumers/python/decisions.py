"""The decisions, the part that an agency writes itself. This example decides by the applicant's name, as certification
requires, and approves every other case. After `consumer.Over` the message is deleted; any other exception leaves it in the queue.

    python decisions.py agency.json    (AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY in the environment)"""
from consumer import Over, main
import contextlib, datetime, pathlib, sys, time

PDF = (b"%%PDF-1.4\n%% No. %s\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
       b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>endobj\ntrailer<</Size 4/Root 1 0 R>>\n%%%%EOF\n")

def decide(hub, case):
    if case["notice"] == "withdrawn":
        return
    answered = case["notice"] == "supplemented"
    if not answered:
        hub.report(case, "received")
    name, number = case["personal_data"]["applicant"]["name"], f"{hub.agency}-{case['application']}"
    for document in case["documents"]:
        hub.fetch(case, document)  # and compare the document with the register
    if name == "认证等待":
        time.sleep(5)
    if name == "认证补正" and not answered:
        item = {"name": "residence", "accepts": ["proof_of_residence", "other"], "note": "of the last three months"}
        hub.report(case, "supplement_requested", items=[item])
    elif name == "认证不予":
        hub.report(case, "not_issued" if case["purpose"] == "decide" else "rejected", reason="not in the register")
    else:
        if case["purpose"] == "certify":
            with contextlib.suppress(Over):  # the hub accepted the certificate before a crash
                hub.upload(case, PDF % number.encode())
        for kind, result in favourable(case, number):
            hub.report(case, kind, **result)

def favourable(case, number):
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).date()  # in China
    valid_until = today + datetime.timedelta(days=30)
    return {
        "decide": [("signed", {}), ("produced", {}), ("ready", {"place": "household hall"})],
        "approve": [("approved", {"permit": number})],
        "move_out": [("verified", {}), ("moved_out", {"certificate": number, "issued_on": str(today), "valid_until": str(valid_until)})],
        "settle": [("settled", {})],
        "restore": [("restored", {})],
        "certify": [("issued", {"document": case.get("upload"), "certificate": number})],
    }[case["purpose"]]

if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), decide) if len(sys.argv) == 2 else sys.exit(__doc__)

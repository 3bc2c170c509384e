"""Files an application with the client that openapi-python-client has made: create, upload, submit, read, list.

Arguments: address of the hub, access token, the applicant as JSON, folder of the documents.
"""

import base64
import hashlib
import json
import pathlib
import sys
import time
import uuid

import httpx
from tongban_apps_client import AuthenticatedClient
from tongban_apps_client.api.applications import (
    create_application,
    list_applications,
    list_events,
    read_application,
    submit_application,
)
from tongban_apps_client.api.catalogue import list_services, read_coverage
from tongban_apps_client.api.documents import link_to_upload
from tongban_apps_client.models import (
    ApplicationView,
    DocumentKind,
    DocumentState,
    NewDocument,
    NewDocumentKind,
    MediaType,
    NewFirstIdentityCard,
    NewPerson,
    Problem,
    Service,
)

ACCEPTED_AT, REGISTERED_AT = "150102", "110105"

url, token, applicant, folder = sys.argv[1:]
hub = AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)
new_key = lambda: str(uuid.uuid4())

services = list_services.sync(client=hub)
assert Service.FIRST_IDENTITY_CARD in [row.service for row in services.services], services
coverage = read_coverage.sync(
    client=hub, service=Service.FIRST_IDENTITY_CARD, from_=ACCEPTED_AT, to=REGISTERED_AT, age=20
)
assert coverage.offered is True, coverage

application = NewFirstIdentityCard(
    service="first_identity_card",
    accepted_at=ACCEPTED_AT,
    registered_at=REGISTERED_AT,
    applicant=NewPerson.from_dict(json.loads(applicant)),
    address="内蒙古自治区呼和浩特市新城区丁香路1号",
    commitment=True,
)
key = new_key()
created = create_application.sync(client=hub, body=application, idempotency_key=key)
assert isinstance(created, ApplicationView), created
again = create_application.sync(client=hub, body=application, idempotency_key=key)
assert again.id == created.id, "the repeat made another application"

documents = {
    DocumentKind.HOUSEHOLD_REGISTER: ("household-register.pdf", MediaType.APPLICATIONPDF),
    DocumentKind.PROOF_OF_RESIDENCE: ("proof-of-residence.jpg", MediaType.IMAGEJPEG),
}
for document in created.documents:
    kind = next(kind for kind in documents if kind in document.accepts)
    name, media_type = documents[kind]
    content = pathlib.Path(folder, name).read_bytes()
    described = NewDocument(
        kind=NewDocumentKind(kind.value),
        media_type=media_type,
        size=len(content),
        sha256=base64.b64encode(hashlib.sha256(content).digest()).decode(),
    )
    link = link_to_upload.sync(created.id, document.id, client=hub, body=described)
    answer = httpx.request(link.method.value, link.url, headers=link.headers.to_dict(), content=content)
    answer.raise_for_status()

until = time.monotonic() + 60
while True:
    read = read_application.sync(created.id, client=hub)
    if all(document.state is DocumentState.STORED for document in read.documents):
        break
    assert time.monotonic() < until, read
    time.sleep(0.2)

submitted = submit_application.sync(created.id, client=hub, idempotency_key=new_key())
assert isinstance(submitted, ApplicationView), submitted
listed = list_applications.sync(client=hub)
assert created.id in [row.id for row in listed.applications], listed
events = list_events.sync(created.id, client=hub)
assert events.events, events

unknown = read_application.sync(uuid.UUID("0190f4c0-0000-8000-8000-000000000001"), client=hub)
assert isinstance(unknown, Problem) and unknown.type_ == "/problems/not_found", unknown
print(json.dumps({"application": str(created.id), "stage": submitted.stage.value, "documents": len(read.documents)}))

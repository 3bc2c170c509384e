"""The Python consumer with one fault, which certification must find.

    python broken.py BUG agency.json    (the folder of consumer.py on PYTHONPATH)"""
import json
import os
import pathlib
import sys
import uuid

import consumer
import decisions


def new_ids():
    "Sends each report with a new id."
    consumer.uuid = type("Ids", (), {"NAMESPACE_OID": None, "uuid5": staticmethod(lambda *_: uuid.uuid4())})


def inbox_that(answers):
    "Replaces the look-ups of the inbox by `answers`."
    class Inbox:
        def __init__(self, base):
            self.base = base

        def execute(self, text, values=()):
            if text.startswith("SELECT"):
                return answers(self.base, values)
            return self.base.execute(text, values)

    connect = consumer.sqlite3.connect
    consumer.sqlite3 = type("Base", (), {"connect": staticmethod(lambda *a, **k: Inbox(connect(*a, **k)))})


def no_inbox():
    new_ids()
    inbox_that(lambda base, _: base.execute("SELECT 1 WHERE 0"))


def acts_on_old_versions():
    "Recognises repeats, but not messages older than the last handled one."
    new_ids()
    inbox_that(lambda base, values: base.execute("SELECT 1 FROM handled WHERE application = ? AND version = ?", values))


def opened(hub, message):
    try:
        return hub.open(message.body)
    except Exception:
        return None


def deletes_unreadable():
    work = consumer.work

    def careless(hub, inbox, decide, held, messages):
        for message in [message for message in messages if opened(hub, message) is None]:
            message.delete()
            messages.remove(message)
        work(hub, inbox, decide, held, messages)

    consumer.work = careless


def stops_at_unreadable():
    work = consumer.work

    def fragile(hub, inbox, decide, held, messages):
        if any(opened(hub, message) is None for message in messages):
            os._exit(1)
        work(hub, inbox, decide, held, messages)

    consumer.work = fragile


def believes_forgeries():
    "Decrypts cases without verifying their signature."
    def opens(hub, body):
        envelope, sealed = json.loads(body), consumer.jwe.JWE(algs=["ECDH-ES", "A256GCM"])
        sealed.deserialize(envelope["data"])
        sealed.decrypt(hub.own[sealed.jose_header["kid"]])
        middle = sealed.payload.decode().split(".")[1]
        case = json.loads(consumer.base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return {**case, "seen": case["version"]}

    consumer.Hub.open = opens


def first_key_only():
    begin = consumer.Hub.__init__

    def forgetful(hub, path):
        begin(hub, path)
        hub.own = dict(list(hub.own.items())[:1])

    consumer.Hub.__init__ = forgetful


def ignores_refusals():
    "Treats a refusal as a temporary failure, and leaves the message in the queue."
    post = consumer.Hub.post

    def stubborn(hub, path, typ, **claims):
        try:
            return post(hub, path, typ, **claims)
        except consumer.Over as why:
            raise consumer.Left(str(why)) from why

    consumer.Hub.post = stubborn


def drops_the_rest_of_a_batch():
    resource = consumer.boto3.resource

    class Queue:
        def __init__(self, queue):
            self.queue = queue

        def receive_messages(self, **wanted):
            first, *rest = self.queue.receive_messages(**wanted) or [None]
            for message in rest:
                message.delete()
            return [first] if first else []

    class Sqs:
        def __init__(self, *given, **named):
            self.sqs = resource(*given, **named)

        def Queue(self, url):  # noqa: N802, as boto3 names it
            return Queue(self.sqs.Queue(url))

    consumer.boto3 = type("Boto3", (), {"resource": Sqs})


BUGS = [no_inbox, acts_on_old_versions, deletes_unreadable, stops_at_unreadable, believes_forgeries, first_key_only,
        ignores_refusals, drops_the_rest_of_a_batch]

if __name__ == "__main__":
    {bug.__name__: bug for bug in BUGS}[sys.argv[1]]()
    consumer.main(pathlib.Path(sys.argv[2]), decisions.decide)

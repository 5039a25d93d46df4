"""Every file of events/ through the release binary of its function under AWS's Lambda runtime interface emulator.

The table is the embedded one, the cache a real Valkey. Each event gets a table of its own with events/seed.ndjson in it and an empty cache.
What is expected lies beside the event in events/expected/.

    python3 tests/emulators/events.py [NAME..]           all events, or those named
    python3 tests/emulators/events.py --show NAME..      print the answers, for whoever writes an expectation
"""

import base64
import hashlib
import hmac
import json
import re
import sys
import tempfile
import time
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import expected
from fakes import IdentityProvider, Queue
from services import CREDENTIALS, FUNCTIONS, JWT_SECRET, ROOT, STRIPE_KEY, WEBHOOK_SECRET, Failed, Running, Stripe, Table, Valkey, free_port, listens, main, tool, watch

EVENTS = ROOT / "events"
# How long one answer may take; the emulator's own limit is 300 s.
ANSWER_SECONDS_MAX = 15


def function_of(name):
    """`stripe-webhook.unsigned` is an event of `stripe-webhook`."""
    return name.split(".")[0]


def signature(secret, at, body):
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def signed_again(event):
    """A signature that was good when it was made is made again for now; any other stays what it is."""
    headers = event.get("headers", {})
    # A REST API leaves the names of headers as they were sent.
    name = next((name for name in headers if name.lower() == "stripe-signature"), "stripe-signature")
    parts = re.fullmatch(r"t=(\d+),v1=([0-9a-f]+)", headers.get(name, ""))
    if not parts:
        return event
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
    if signature(WEBHOOK_SECRET, parts[1], body) != parts[2]:
        return event
    now = int(time.time())
    fresh = f"t={now},v1={signature(WEBHOOK_SECRET, now, body)}"
    changed = {**event, "headers": {**headers, name: fresh}}
    if "multiValueHeaders" in event:
        changed["multiValueHeaders"] = {**event["multiValueHeaders"], name: [fresh]}
    return changed


def method(event):
    """Of an HTTP request, in either payload format."""
    return event.get("httpMethod") or event["requestContext"]["http"]["method"]


def buy(stripe):
    """What the account of seed.ndjson has bought, as new; tests/it/events.rs does the same."""
    stripe.control("subscribe", customer="cus_demo", id="sub_demo", user="demo", price="price_starter_monthly")


class Function(Running):
    """A function's binary under the emulator."""

    def __init__(self, name, settings):
        bootstrap = FUNCTIONS / name / "bootstrap"
        if not bootstrap.exists():
            raise Failed(f"no {bootstrap.relative_to(ROOT)}: run ./scripts/build-native")
        self.port, api = free_port(), free_port()
        emulator = [tool("aws-lambda-rie", "LAMBDA_RIE"), "--log-level", "warn"]
        addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{self.port}", "--runtime-api-address", f"127.0.0.1:{api}"]
        super().__init__([*emulator, *addresses, bootstrap], env={**settings, "AWS_LAMBDA_FUNCTION_NAME": name})
        self.wait_until(lambda: listens(self.port), "the runtime interface emulator")

    def invoke(self, event):
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(url, json.dumps(event).encode())
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS_MAX) as response:
            return json.load(response)


def asked_again(function, event):
    """The second answer; on a busy machine the cache may miss its 30 ms, and then the table answers: asked once more."""
    for _ in range(10):
        response = function.invoke(event)
        if "detail=trouble" not in expected.answer(response)["headers"].get("cache-status", ""):
            break
    return response


class Bench:
    """What all events share."""

    def __init__(self):
        # Whole seconds: what is stored and what is shown have the same moments then.
        self.now = datetime.now(timezone.utc).replace(microsecond=0)
        self.table, self.valkey = Table(), Valkey()
        self.queue, self.provider = Queue(), IdentityProvider()
        self.seed = Path(tempfile.mkdtemp(prefix="callsheets-")) / "seed.ndjson"
        lines = [expected.resolved(json.loads(line), self.now) for line in (EVENTS / "seed.ndjson").read_text().splitlines()]
        self.seed.write_text("".join(json.dumps(line) + "\n" for line in lines))
        # What functions wrote out.
        self.outputs = []

    def settings(self, table, stripe):
        """What template.yaml sets, for all functions alike: a function reads only its own."""
        return {
            **CREDENTIALS,
            "TABLE_NAME": table,
            "TABLE_ENDPOINT": self.table.url,
            "CACHE_URL": self.valkey.url,
            "JWT_SECRET": JWT_SECRET,
            "JWT_JWKS_URL": self.provider.url,
            "STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
            "STRIPE_SECRET_KEY": STRIPE_KEY,
            "STRIPE_API_URL": stripe.url,
            "APP_URL": "https://app.example.com",
            "EXPORT_BUCKET": "exports",
            "DEAD_LETTER_QUEUE_URL": self.queue.url,
            "DEAD_LETTER_ENDPOINT": self.queue.endpoint,
            "STAGE": "test",
        }

    def run(self, name):
        """Gives an event to its function. Returns what came back and what the function wrote out."""
        self.valkey.flush()
        self.queue.messages.clear()
        table = f"events-{name}"
        self.table.fill(self.seed, table)
        event = signed_again(expected.resolved(json.loads((EVENTS / f"{name}.json").read_text()), self.now))
        http = "requestContext" in event
        with Stripe() as stripe, Function(function_of(name), self.settings(table, stripe)) as function:
            if http:
                buy(stripe)
            try:
                response = function.invoke(event)
                again = asked_again(function, event) if http and method(event) == "GET" else None
            except OSError as error:
                raise Failed(f"{name}: no answer ({error})\n{function.output()}") from error
            output = function.output()
            self.outputs.append(output)
            if not http:
                return {"result": response, "letters": len(self.queue.messages)}, None, output
            return expected.answer(response), again and expected.answer(again), output


def complaints(name, bench):
    """What is wrong about an event's answer."""
    file = EVENTS / "expected" / f"{name}.json"
    if not file.exists():
        return [f"no {file.relative_to(ROOT)}: see events/README.md"]
    wanted = expected.resolved(json.loads(file.read_text()), bench.now)
    found, again, output = bench.run(name)
    if "result" in found:
        listed = expected.differences({"letters": 0, **wanted}, found)
    else:
        listed = expected.judged(wanted, found)
        listed += repeated(wanted, found, again)
        if '"_aws"' not in output:
            listed.append("no line of metrics")
    if '"level":"ERROR"' in output and wanted.get("status", 200) < 500 and not wanted.get("letters"):
        listed.append("an error in the log")
    return [*listed, *shown(found, bench, output)] if listed else []


def repeated(wanted, found, again):
    """A read that left its answer in the cache finds it there, and it is as good as the first."""
    if again is None:
        return []
    listed = [f"again: {line}" for line in expected.judged(wanted, again)]
    stored = "; stored" in found["headers"].get("cache-status", "")
    if stored and "; hit" not in again["headers"].get("cache-status", ""):
        listed.append(f"the second answer is no hit: {again['headers'].get('cache-status')}")
    return listed


def shown(found, bench, output):
    return [f"answer: {json.dumps(expected.in_words(found, bench.now), indent=2)}", f"output:\n{output}"]


def run():
    words = sys.argv[1:]
    names = [word for word in words if not word.startswith("--")] or sorted(file.stem for file in EVENTS.glob("*.json"))
    bench, failed = Bench(), []
    for name in names:
        started = time.monotonic()
        if "--show" in words:
            found, _, output = bench.run(name)
            print("\n".join([name, *shown(found, bench, output)]))
            continue
        listed = complaints(name, bench)
        print(f"{'FAILED' if listed else 'ok':6} {name} ({time.monotonic() - started:.2f} s)")
        if listed:
            failed.append(name)
            print("\n".join(f"    {line}" for line in listed))
    watch("".join(bench.outputs))
    if failed:
        raise Failed(f"{len(failed)} of {len(names)} events: {', '.join(failed)}")
    print(f"{len(names)} events")


if __name__ == "__main__":
    main(run)

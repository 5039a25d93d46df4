"""`sam local invoke` for every HTTP function, and `sam local start-api` with the main routes, in Docker and from template.yaml.

The functions are the release binaries, the table is the embedded one; there is no cache. What is expected is what ./scripts/events expects.
Where Docker cannot start this fails with the reason; a person who knows that sets SAM_LOCAL=skip.
"""

import base64
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import expected
import template
from docker_daemon import Daemon, base_image, forward
from events import EVENTS, Bench, buy, signed_again
from services import FUNCTIONS, JWT_SECRET, ROOT, STRIPE_KEY, WEBHOOK_SECRET, Failed, Running, Stripe, free_port, listens, main, tool, watch

# Starting a container is mostly waiting; more at once only wait for the processor.
AT_ONCE = 3


def http_functions():
    """The template's block of every function that an HttpApi route leads to, by its folder."""
    return {folder: block for folder, block in template.functions().items() if "Type: HttpApi" in block}


class Sam:
    """The command line of sam with all that a run needs."""

    def __init__(self, daemon, bench, stripe):
        self.bench, self.stripe = bench, stripe
        # What one function does at Stripe is not for another's answer: they take turns, and each finds it as new.
        self.at_stripe = threading.Lock()
        self.env = {**daemon.env, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "local",
                    "AWS_SECRET_ACCESS_KEY": "local", "SAM_CLI_CONTAINER_CONNECTION_TIMEOUT": "60"}

    def settings(self, table):
        """Values of variables that template.yaml sets; sam leaves the others alone."""
        return {"TABLE_NAME": table, "CACHE_URL": "", "CACHE_NAME": "", "CACHE_USER": "", "CACHE_AUTH": "",
                "JWT_SECRET": JWT_SECRET, "STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET, "STRIPE_SECRET_KEY": STRIPE_KEY, "STAGE": "test",
                "APP_URL": "https://app.example.com", "EXPORT_BUCKET": "exports"}

    def command(self, *words, table):
        folder = self.bench.seed.parent
        variables = folder / f"{table}.env.json"
        variables.write_text(json.dumps({"Parameters": self.settings(table)}))
        return [tool("sam", "SAM"), "local", *words, "-t", ROOT / "template.yaml", "--skip-pull-image", "--env-vars", variables,
                "--container-host-interface", "127.0.0.1", "--parameter-overrides", "Architecture=x86_64 Cache=none CustomerKey=false"]

    def check(self, name, block):
        """Invokes a function with its event. Returns its name if the answer is not the expected one."""
        if "STRIPE_SECRET_KEY" not in block:
            return self.invoke(name, template.name_of(block))
        with self.at_stripe:
            buy(self.stripe)
            return self.invoke(name, template.name_of(block))

    def invoke(self, name, logical, tries=2):
        """Prints whether `sam local invoke` gives the expected answer. A function's time runs while its container starts, which a busy machine may
        need all of: then once more, with a table as new.
        """
        started = time.monotonic()
        table = f"sam-{name}-{tries}"
        self.bench.table.fill(self.bench.seed, table)
        event = self.bench.seed.parent / f"{table}.json"
        event.write_text(json.dumps(signed_again(expected.resolved(json.loads((EVENTS / f"{name}.json").read_text()), self.bench.now))))
        command = self.command("invoke", logical, "-e", event, table=table)
        done = subprocess.run(list(map(str, command)), env=self.env, capture_output=True, text=True, cwd=ROOT)
        if tries > 1 and re.search(r"timed out after \d+ seconds", done.stderr):
            return self.invoke(name, logical, tries - 1)
        self.bench.outputs.append(done.stderr)
        lines = [line for line in done.stdout.splitlines() if line.startswith('{"statusCode"')]
        if done.returncode or not lines:
            listed = [f"exit code {done.returncode}", done.stdout, done.stderr]
        else:
            wanted = expected.resolved(json.loads((EVENTS / "expected" / f"{name}.json").read_text()), self.bench.now)
            listed = expected.judged(wanted, expected.answer(json.loads(lines[-1])))
            listed += done.stderr.splitlines() if listed else []
        print(f"{'FAILED' if listed else 'ok':6} sam local invoke {logical} ({time.monotonic() - started:.1f} s)", flush=True)
        print("".join(f"    {line}\n" for line in listed), end="", flush=True)
        return name if listed else None


class Api(Running):
    """`sam local start-api` over a table with the events' account."""

    def __init__(self, sam):
        sam.bench.table.fill(sam.bench.seed, "sam-start-api")
        self.port = free_port()
        command = sam.command("start-api", "--port", self.port, "--warm-containers", "LAZY", table="sam-start-api")
        super().__init__(command, env=sam.env, cwd=ROOT)
        self.wait_until(lambda: listens(self.port), "sam local start-api", 60)

    def ask(self, method, path, headers=(), body=None):
        """Status, headers and JSON body of an answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, dict(headers), method=method)
        try:
            response = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            raw = response.read()
            return response.status, json.loads(raw) if raw else None


def event(name):
    return json.loads((EVENTS / f"{name}.json").read_text())


def conversation(api):
    """A client's session: reads, a write that the next read shows, a plan bought at Stripe, and requests that are refused."""
    bearer = {"Authorization": event("get-dashboard-data")["headers"]["authorization"]}

    def expect(what, found, wanted):
        print(f"{'ok' if found == wanted else 'FAILED':6} {what}", flush=True)
        if found != wanted:
            raise Failed(f"{what}: expected {wanted!r}, found {found!r}\n{api.output()[-4000:]}")

    def get(path, pick):
        status, body = api.ask("GET", path, bearer)
        return status, pick(body["data"]) if status == 200 else body

    expect("GET /api/dashboard/data", get("/api/dashboard/data", lambda data: data["metrics"]["totalContacts"]), (200, 4))
    expect("HEAD /api/dashboard/data", api.ask("HEAD", "/api/dashboard/data", bearer), (200, None))
    expect("GET /api/contacts/stats", get("/api/contacts/stats", lambda data: data["totalContacts"]), (200, 4))
    expect("GET /api/contacts", get("/api/contacts?page=2&limit=3", lambda data: data["pagination"]["total"]), (200, 4))
    expect("GET /api/jobs", get("/api/jobs", len), (200, 4))
    expect("GET /api/billing/plans", api.ask("GET", "/api/billing/plans")[0], 200)
    expect("GET /api/health", api.ask("GET", "/api/health")[0], 200)
    expect("no token", api.ask("GET", "/api/usage/current")[0], 401)
    expect("an unknown path", api.ask("GET", "/api/nothing", bearer), (404, {"success": False, "error": "Not found"}))
    body = event("save-contacts")["body"].encode()
    expect("POST save-contacts", api.ask("POST", "/api/extraction/save-contacts", {**bearer, "Content-Type": "application/json"}, body)[0], 200)
    expect("the next read shows it", get("/api/dashboard/data", lambda data: data["metrics"]["totalContacts"]), (200, 6))
    stripe = signed_again(event("stripe-webhook"))
    headers = {name: stripe["headers"][name] for name in ("stripe-signature", "content-type")}
    status, body = api.ask("POST", "/api/stripe/webhook", headers, base64.b64decode(stripe["body"]))
    expect("a signed Stripe event", (status, body.get("outcome")), (200, "applied"))
    expect("the same bytes, changed", api.ask("POST", "/api/stripe/webhook", headers, b"{}")[0], 400)


def run():
    if os.environ.get("SAM_LOCAL") == "skip":
        print("skipped: SAM_LOCAL=skip")
        return
    only = sys.argv[1:]
    functions = {name: block for name, block in http_functions().items() if not only or name in only}
    with Daemon() as daemon, Stripe() as stripe:
        bench = Bench()
        def seen(port):
            return f"http://{daemon.gateway}:{forward(daemon.gateway, port)}"
        base_image(daemon, FUNCTIONS / "health" / "bootstrap", {"TABLE_ENDPOINT": seen(bench.table.port), "STRIPE_API_URL": seen(stripe.port)})
        sam = Sam(daemon, bench, stripe)
        # The first one builds sam's image, which all share.
        first, *rest = functions.items()
        failed = [sam.check(*first)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            failed += pool.map(lambda item: sam.check(*item), rest)
        if any(failed):
            raise Failed(f"sam local invoke: {', '.join(filter(None, failed))}")
        with Api(sam) as api:
            conversation(api)
            watch("".join([*bench.outputs, api.output()]))


if __name__ == "__main__":
    main(run)

"""template.yaml deployed by change set to an AWS emulator (ministack), with the functions' release binaries in it.

Every resource must reach CREATE_COMPLETE, secrets and parameters must resolve, and what is written to the table must reach the stream's consumers.

What ministack 1.5 lacks, and what is done about it:
- ElastiCache Serverless: the parameter Cache is none, so there is no network either; CacheUrl names a Valkey that this starts.
- CodeDeploy and alarms over several metrics: DeploymentPreference and those alarms are taken out of the template.
- routes of a SAM HttpApi: functions are invoked by name. `./scripts/sam-local` covers routes.
- Amazon's certificates and addresses: the functions' settings TABLE_ENDPOINT and DEAD_LETTER_ENDPOINT come from the server's own environment.

Run with the Python that has boto3: ./scripts/ministack does.
"""

import io
import json
import re
import shutil
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

import expected
import template
from events import EVENTS, Bench, function_of, signed_again
from services import CREDENTIALS, FUNCTIONS, JWT_SECRET, STRIPE_KEY, WEBHOOK_SECRET, Failed, Running, Stripe, free_port, listens, local, main, tool, wait_for, watch

STACK = "callsheets-test"
SECRET = "callsheets/test"
BUCKET = "code"
PARAMETERS = {"Stage": "test", "Architecture": "x86_64", "Cache": "none", "CustomerKey": "false", "SecretName": SECRET}
DEPLOY_SECONDS_MAX = 180
# Stream records are polled for about once a second.
STREAM_SECONDS_MAX = 30


def step(text):
    print(f"  {text}", flush=True)


class Aws(Running):
    """The emulator, and clients of it."""

    def __init__(self, port, settings):
        self.folder = Path(tempfile.mkdtemp(prefix="callsheets-aws-"))
        self.url = f"http://127.0.0.1:{port}"
        env = {**CREDENTIALS, **settings, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "LAMBDA_EXECUTOR": "local", "TMPDIR": str(self.folder)}
        super().__init__([tool("ministack", "MINISTACK")], env=env, cwd=self.folder)
        self.wait_until(lambda: listens(port), "ministack", 60)

    def client(self, service):
        # The emulator's first answers are slow; a repeated request would be a second one.
        config = Config(read_timeout=120, retries={"total_max_attempts": 1})
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", config=config, **keys)

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def packaged(aws):
    """template.yaml with the functions' archives in a bucket, and without what the emulator lacks."""
    text = re.sub(r"\n    DeploymentPreference:\n(      .*\n)+", "\n", template.TEXT)
    text = "".join(block for block in template.blocks(text) if not ("AWS::CloudWatch::Alarm" in block and "\n      Metrics:" in block))
    storage = aws.client("s3")
    storage.create_bucket(Bucket=BUCKET)

    def upload(name):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as files:
            entry = zipfile.ZipInfo("bootstrap")
            entry.external_attr = 0o755 << 16
            files.writestr(entry, (FUNCTIONS / name / "bootstrap").read_bytes(), zipfile.ZIP_DEFLATED, 1)
        storage.put_object(Bucket=BUCKET, Key=f"{name}.zip", Body=archive.getvalue())

    names = re.findall(r"CodeUri: target/lambda/([\w-]+)/", text)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(upload, names))
    return re.sub(r"CodeUri: target/lambda/([\w-]+)/", rf"CodeUri: s3://{BUCKET}/\1.zip", text)


def deploy(aws, text, parameters):
    """Makes the stack by change set. Returns its resources: logical id to physical id."""
    formation = aws.client("cloudformation")
    aws.client("s3").put_object(Bucket=BUCKET, Key="template.yaml", Body=text.encode())
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    formation.create_change_set(
        StackName=STACK, ChangeSetName="first", ChangeSetType="CREATE", Parameters=given, TemplateURL=f"{aws.url}/{BUCKET}/template.yaml",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )

    def made():
        set_ = formation.describe_change_set(StackName=STACK, ChangeSetName="first")
        if set_["Status"] == "FAILED":
            raise Failed(f"the change set: {set_.get('StatusReason')}")
        return set_["Status"] == "CREATE_COMPLETE" and set_

    planned = {change["ResourceChange"]["LogicalResourceId"] for change in wait_for(made, "the change set", DEPLOY_SECONDS_MAX, 0.5)["Changes"]}
    formation.execute_change_set(StackName=STACK, ChangeSetName="first")

    def settled():
        status = formation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
        return not status.endswith("IN_PROGRESS") and status

    status = wait_for(settled, "the stack", DEPLOY_SECONDS_MAX, 0.5)
    if status != "CREATE_COMPLETE":
        happened = formation.describe_stack_events(StackName=STACK)["StackEvents"]
        failed = [f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}" for e in happened if e["ResourceStatus"].endswith("_FAILED")]
        raise Failed("\n".join([f"the stack is {status}", *failed]))
    pages = formation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    bad = [f"{r['LogicalResourceId']}: {r['ResourceStatus']}: {r.get('ResourceStatusReason', '')}" for r in resources
           if r["ResourceStatus"] != "CREATE_COMPLETE"]
    # The emulator's change set also lists what a condition leaves out; of a function there is a role, a version and so on, named after it.
    conditional = [block for block in template.blocks(text) if "\n    Condition: " in block]
    exactly = {template.name_of(block) for block in conditional}
    named_after = tuple(template.name_of(block) for block in conditional if "AWS::Serverless::Function" in block)
    made_ = {resource["LogicalResourceId"] for resource in resources}
    missing = {name for name in planned - exactly - made_ if not (named_after and name.startswith(named_after))}
    if bad or missing:
        raise Failed("\n".join([f"not made: {sorted(missing)}", *bad]))
    step(f"{len(resources)} resources, all CREATE_COMPLETE")
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}


def settings_resolve(aws, resources):
    """No function has a setting that is still a reference; secrets and parameters are what was given."""
    functions = aws.client("lambda")
    # One that a condition leaves out is not there.
    names = [resources[logical] for logical in map(template.name_of, template.functions().values()) if logical in resources]
    for name in names:
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        unresolved = {key: value for key, value in variables.items() if "{{" in value or "${" in value}
        if unresolved or variables["JWT_SECRET"] not in (JWT_SECRET, "") or variables["TABLE_NAME"] != resources["Table"]:
            raise Failed(f"settings of {name}: {unresolved or variables}")
    webhook = functions.get_function_configuration(FunctionName=resources["StripeWebhook"])["Environment"]["Variables"]
    if (webhook["STRIPE_WEBHOOK_SECRETS"], webhook["JWT_SECRET"]) != (WEBHOOK_SECRET, JWT_SECRET):
        raise Failed("the signing secret of Stripe's events, or that of tokens, is not the secret's")
    step(f"{len(names)} functions have their settings, secrets resolved")


class Functions:
    """The deployed functions, invoked with the files of events/."""

    def __init__(self, aws, resources, bench):
        self.aws, self.client, self.resources, self.bench = aws, aws.client("lambda"), resources, bench

    def answer(self, name):
        event = signed_again(expected.resolved(json.loads((EVENTS / f"{name}.json").read_text()), self.bench.now))
        logical = template.name_of(template.functions()[function_of(name)])
        done = self.client.invoke(FunctionName=self.resources[logical], Payload=json.dumps(event).encode())
        payload = json.loads(done["Payload"].read())
        if "FunctionError" in done or "statusCode" not in payload:
            raise Failed(f"{name}: {payload}")
        return expected.answer(payload)

    def check(self, name):
        wanted = expected.resolved(json.loads((EVENTS / "expected" / f"{name}.json").read_text()), self.bench.now)
        found = self.answer(name)
        if listed := expected.judged(wanted, found):
            raise Failed(f"{name}: {listed}")
        step(f"{name}: {found['status']}")


def stream_reaches_the_cache(functions, table_env, url):
    """A change that tells the cache nothing shows within seconds: only on-table-stream can have invalidated what was cached."""
    def contacts():
        found = functions.answer("get-dashboard-data")
        # An answer past the cache shows the change in any case, and proves nothing.
        by_cache = "bypass" not in found["headers"]["cache-status"]
        return found["body"]["data"]["metrics"]["totalContacts"] if by_cache else None

    before = wait_for(contacts, "the cache answers", STREAM_SECONDS_MAX)
    wait_for(lambda: "; hit" in functions.answer("get-dashboard-data")["headers"]["cache-status"], "the dashboard is cached", STREAM_SECONDS_MAX)
    line = json.loads((EVENTS / "seed.ndjson").read_text().splitlines()[-1])
    row = {**line, "id": "5d2d9b0c-7f0a-4c2e-8a51-0c5b6a0d9fff", "createdAt": expected.rfc3339(functions.bench.now)}
    change = functions.bench.seed.parent / "change.ndjson"
    change.write_text(json.dumps(row) + "\n")
    local("import", change, "--dynamodb", url, env=table_env)
    started = time.monotonic()
    wait_for(lambda: contacts() == before + 1, "the stream does not reach on-table-stream", STREAM_SECONDS_MAX, 0.2)
    step(f"on-table-stream invalidated a change after {time.monotonic() - started:.1f} s")


def stream_reaches_stripe(functions, stripe, table):
    """A customer that the webhook saw first is asked for at Stripe, and its mark goes: only on-stripe-refetch does that."""
    stripe.control("subscribe", customer="cus_demo_2", id="sub_demo_2", user="demo", price="price_professional_monthly")
    started = time.monotonic()
    functions.check("stripe-webhook")
    scan = {"TableName": table, "FilterExpression": "attribute_exists(needs_refresh)", "ConsistentRead": True}
    database = functions.aws.client("dynamodb")
    wait_for(lambda: stripe.state()["requests"], "the stream does not reach on-stripe-refetch", STREAM_SECONDS_MAX, 0.2)
    wait_for(lambda: not database.scan(**scan)["Items"], "on-stripe-refetch does not settle what it was told", STREAM_SECONDS_MAX, 0.2)
    step(f"on-stripe-refetch asked Stripe, settled {time.monotonic() - started:.1f} s after the event: {stripe.state()['requests']}")


def run():
    bench, port = Bench(), free_port()
    url = f"http://127.0.0.1:{port}"
    with Stripe() as stripe, Aws(port, {"TABLE_ENDPOINT": url, "DEAD_LETTER_ENDPOINT": url, "STRIPE_API_URL": stripe.url}) as aws:
        secrets = {"jwt_secret": JWT_SECRET, "stripe_secret_key": STRIPE_KEY, "stripe_webhook_secrets": WEBHOOK_SECRET}
        aws.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(secrets))
        resources = deploy(aws, packaged(aws), {**PARAMETERS, "CacheUrl": bench.valkey.url})
        settings_resolve(aws, resources)
        table_env = {**CREDENTIALS, "TABLE_NAME": resources["Table"]}
        local("import", bench.seed, "--dynamodb", url, env=table_env)
        functions = Functions(aws, resources, bench)
        try:
            for name in ("get-dashboard-data", "get-contact-stats", "list-contacts", "stripe-webhook.forged"):
                functions.check(name)
            stream_reaches_the_cache(functions, table_env, url)
            stream_reaches_stripe(functions, stripe, resources["Table"])
            watch(aws.output())
        except Failed as failure:
            raise Failed(f"{failure}\nministack:\n{aws.output()[-6000:]}") from failure


if __name__ == "__main__":
    main(run)

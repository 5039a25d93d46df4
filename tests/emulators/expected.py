"""Words for moments in stored data, and the comparison of an answer with what is expected.

events/README.md describes both; tests/it/expected.rs does the same for the scenario tests.
"""

import base64
import gzip
import json
import re
from datetime import datetime, timedelta, timezone

MOMENT = re.compile(r"@(?P<unix>unix)?(?P<shift>now|[+-]\d+[dh])$")
MONTH = re.compile(r"@month(?P<next>\+1)?$")
ANY = "@any"


def rfc3339(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def resolved(value, now):
    """The value with every word for a moment replaced by that moment."""
    if isinstance(value, dict):
        return {key: resolved(inner, now) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolved(inner, now) for inner in value]
    if not isinstance(value, str):
        return value
    if month := MONTH.match(value):
        first = now.replace(day=1) + timedelta(days=32 if month["next"] else 0)
        return first.strftime("%Y-%m")
    if not (word := MOMENT.match(value)):
        return value
    amount = 0 if word["shift"] == "now" else int(word["shift"][:-1])
    moment = now + timedelta(**{"hours" if word["shift"].endswith("h") else "days": amount})
    return int(moment.timestamp()) if word["unix"] else rfc3339(moment)


def in_words(value, now):
    """The reverse of `resolved`, as far as moments lie whole hours from `now`: for whoever writes an expectation."""
    if isinstance(value, dict):
        return {key: in_words(inner, now) for key, inner in value.items()}
    if isinstance(value, list):
        return [in_words(inner, now) for inner in value]
    moment = None
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT[\d:]+\.000Z$", value):
        moment = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.000Z").replace(tzinfo=timezone.utc)
    elif isinstance(value, int) and 1_500_000_000 < value < 5_000_000_000:
        moment = datetime.fromtimestamp(value, timezone.utc)
    if moment is None or (moment - now) % timedelta(hours=1):
        return value
    hours = (moment - now) // timedelta(hours=1)
    shift = "now" if hours == 0 else f"{hours // 24:+}d" if hours % 24 == 0 else f"{hours:+}h"
    return f"@{'unix' if isinstance(value, int) else ''}{shift}"


def differences(expected, found, place=""):
    """Where `found` is not what is expected. Objects and arrays are compared whole."""
    if expected == ANY:
        return []
    if isinstance(expected, dict) and isinstance(found, dict):
        listed = [f"{place}/{key}: not expected: {found[key]!r}" for key in found.keys() - expected.keys()]
        for key, value in expected.items():
            inner = differences(value, found[key], f"{place}/{key}") if key in found else [f"{place}/{key}: absent"]
            listed.extend(inner)
        return listed
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found))
        return [line for at, (one, other) in pairs for line in differences(one, other, f"{place}/{at}")]
    same = type(expected) is type(found) and expected == found
    return [] if same else [f"{place or '/'}: expected {expected!r}, found {found!r}"]


def answer(response):
    """Status, headers and body of an HTTP function's response, decoded as a client decodes it."""
    headers = {name.lower(): value for name, value in (response.get("headers") or {}).items()}
    # A REST API's answer has lists of them.
    headers.update({name.lower(): ",".join(values) for name, values in (response.get("multiValueHeaders") or {}).items()})
    body = response.get("body") or ""
    raw = base64.b64decode(body) if response.get("isBase64Encoded") else body.encode()
    if headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    found = {"status": response["statusCode"], "headers": headers}
    if "json" in headers.get("content-type", ""):
        found["body"] = json.loads(raw)
    elif raw:
        found["text"] = raw.decode("utf-8", "replace")
    return found


def judged(expected, found):
    """The differences between a stored expectation and an answer: of the headers only those that it names."""
    named = {name: found["headers"].get(name) for name in expected.get("headers", {})}
    return differences({"headers": {}, **expected}, {**found, "headers": named})

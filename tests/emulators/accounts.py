"""Compares what accounts show with numbers that were computed elsewhere: docs/migration/numbers.sql prints them, docs/migration.md says when.

    python3 tests/emulators/accounts.py NUMBERS.ndjson URL

Each line is `{"userId", "pages": {path: whole answer}, "rows": {path: [row..]}}`; of a row only the named keys are compared. Tokens are signed with
JWT_SECRET (default: the development secret).
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request

from services import JWT_SECRET, Failed, main

SHOWN_MAX = 20


def token(user, secret):
    def part(raw):
        return base64.urlsafe_b64encode(raw).rstrip(b"=")

    head = part(b'{"alg":"HS256","typ":"JWT"}')
    claims = part(json.dumps({"userId": user, "exp": int(time.time()) + 86_400}).encode())
    mac = hmac.new(secret.encode(), head + b"." + claims, hashlib.sha256).digest()
    return b".".join([head, claims, part(mac)]).decode()


def page(url, path, user):
    secret = os.environ.get("JWT_SECRET") or JWT_SECRET
    request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token(user, secret)}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return {"status": error.code}


def differences(expected, found, place):
    """Numbers are compared by value: SQL prints 2.50 where the API prints 2.5."""
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        return [line for key in expected for line in differences(expected[key], found[key], f"{place}/{key}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [line for at, pair in enumerate(zip(expected, found)) for line in differences(*pair, f"{place}/{at}")]
    return [] if expected == found else [f"{place}: expected {expected!r}, found {found!r}"]


def of_account(url, account):
    user, listed = account["userId"], []
    for path, expected in account["pages"].items():
        listed += differences(expected, page(url, path, user), f"{user} {path}")
    for path, rows in account["rows"].items():
        shown = page(url, path, user).get("data", [])
        named = [{key: row.get(key) for key in expected} for row, expected in zip(shown, rows)]
        listed += differences(rows, named + shown[len(rows):], f"{user} {path}")
    return listed


def compare(file, url):
    """The number of accounts that were compared; all of them agree."""
    with open(file) as lines:
        accounts = [json.loads(line) for line in lines if line.strip()]
    listed = [line for account in accounts for line in of_account(url, account)]
    if listed:
        raise Failed(f"{len(listed)} differences\n" + "\n".join(listed[:SHOWN_MAX]))
    return len(accounts)


def run():
    if len(sys.argv) != 3:
        raise Failed("usage: compare-accounts NUMBERS.ndjson URL")
    print(f"{compare(sys.argv[1], sys.argv[2].rstrip('/'))} accounts agree")


if __name__ == "__main__":
    main(run)

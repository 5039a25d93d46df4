"""The migration of docs/migration.md, rehearsed: an old database of 200,000 contacts and 50 users is exported by the documented queries, imported,
and what every user then sees is compared with numbers that SQL computed from the old tables.

    python3 tests/emulators/migration.py
"""

import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from accounts import compare
from services import LOCAL, ROOT, Failed, Running, local, main, tool

HERE = Path(__file__).resolve().parent / "migration"
QUERIES = ROOT / "docs" / "migration"
NOW = "2026-03-05T09:30:00Z"
CONTACTS, USERS = 200_000, 50


def step(text):
    print(f"  {text}", flush=True)


class Postgres(Running):
    """A cluster of its own, reached through a socket in its folder. The server refuses to run as root."""

    def __init__(self, folder):
        self.folder = folder
        self.bin = Path(tool("postgres", "POSTGRES")).resolve().parent
        self.as_user = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self.as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
        self.call([self.bin / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"])
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off", "-c", "work_mem=64MB"]
        super().__init__([*self.as_user, self.bin / "postgres", "-D", folder / "data", *settings], cwd=folder)
        self.wait_until(lambda: (folder / ".s.PGSQL.5432").exists() and "ready to accept" in self.output(), "PostgreSQL", 60)

    def call(self, command, out=subprocess.PIPE):
        done = subprocess.run([*self.as_user, *map(str, command)], stdout=out, stderr=subprocess.PIPE, cwd=self.folder)
        if done.returncode:
            raise Failed(f"{Path(command[0]).name}: exit code {done.returncode}\n{done.stderr.decode(errors='replace')}")
        return (done.stdout or b"").decode()

    def run(self, file, out=subprocess.PIPE, **variables):
        """Runs a file of queries as docs/migration.md does. A copy, because the server's user may not read this folder."""
        shutil.copy(file, self.folder / file.name)
        (self.folder / file.name).chmod(0o644)
        given = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        options = ["-qAtX", "-v", "ON_ERROR_STOP=1", "-v", "FETCH_COUNT=10000", "-h", self.folder, "-U", "postgres"]
        return self.call([self.bin / "psql", *options, *given, "-f", file.name, "postgres"], out)


def export(old, file, **variables):
    with file.open("wb") as out:
        old.run(QUERIES / "export.sql", out, **variables)


def counted(file):
    counts = {}
    with file.open() as lines:
        for line in lines:
            kind = json.loads(line)["type"]
            counts[kind] = counts.get(kind, 0) + 1
    return counts


class Serving(Running):
    """`local` over the imported data, at the moment of the comparison."""

    def __init__(self, data):
        super().__init__([LOCAL, "--port", "0", "--data", data, "--no-demo", "--now", NOW])
        line = self.wait_until(lambda: [line for line in self.output().splitlines() if line.startswith("listening on ")], "local")
        self.url = line[0].removeprefix("listening on ")


def rehearse(folder):
    old_folder, data = folder / "old", folder / "new"
    old_folder.mkdir()
    data.mkdir()
    with Postgres(old_folder) as old:
        old.run(HERE / "schema.sql")
        old.run(HERE / "generate.sql", now=NOW, contacts=CONTACTS)
        step("old database filled")
        accounts, numbers = folder / "accounts.ndjson", folder / "numbers.ndjson"
        export(old, accounts, since="1970-01-01")
        counts = counted(accounts)
        if (counts["contact"], counts["user"]) != (CONTACTS, USERS):
            raise Failed(f"the export has {counts}")
        step(f"exported {accounts.stat().st_size / 1e6:.0f} MB: {counts}")

        started = time.monotonic()
        printed = local("import", accounts, "--data", data, "--now", NOW)
        step(f"imported in {time.monotonic() - started:.0f} s: {printed.splitlines()[-1]}")

        # While the copy was made the old product went on: what changed since is exported and imported on top.
        old.run(HERE / "meanwhile.sql", now=NOW)
        changes = folder / "changes.ndjson"
        export(old, changes, since="2026-03-05 09:00")
        printed = local("import", changes, "--data", data, "--now", NOW)
        step(f"changes: {printed.splitlines()[-1]}")
        with numbers.open("wb") as out:
            old.run(QUERIES / "numbers.sql", out, now=NOW)
    with Serving(data) as new:
        step(f"{compare(numbers, new.url)} accounts show what SQL counts")
        a_difference_is_found(numbers, new.url, folder)


def a_difference_is_found(numbers, url, folder):
    """The comparison can fail: one contact more in the numbers is noticed."""
    account = json.loads(numbers.read_text().splitlines()[0])
    account["pages"]["/api/contacts/stats"]["data"]["totalContacts"] += 1
    wrong = folder / "wrong.ndjson"
    wrong.write_text(json.dumps(account))
    try:
        compare(wrong, url)
    except Failed:
        return
    raise Failed("a wrong number was not noticed")


def run():
    folder = Path(tempfile.mkdtemp(prefix="callsheets-migration-"))
    folder.chmod(0o755)
    try:
        rehearse(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(run)

"""Servers that the emulator runs start: on free loopback ports, ended with the run, their output shown when it fails."""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", TARGET)) / "release"
LOCAL = RELEASE / "local"
FUNCTIONS = TARGET / "lambda"

# As in local/src/settings.rs.
JWT_SECRET = "callsheets-local-development-secret-0000"
WEBHOOK_SECRET = "whsec_callsheets_local_development"
STRIPE_KEY = "sk_test_emulator"
# Any will do: nothing here checks them.
CREDENTIALS = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


class Failed(Exception):
    """What is wrong, for whoever started the run."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(ready, what, seconds=20.0, pause=0.01):
    """Waits until `ready()` is true and returns what it gave."""
    end = time.monotonic() + seconds
    while not (result := ready()):
        if time.monotonic() > end:
            raise Failed(f"{what}: not after {seconds:.0f} s")
        time.sleep(pause)
    return result


def listens(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


class Running:
    """A process with its output in a file. It is ended when the `with` block or the program ends."""

    def __init__(self, command, env=None, log=None, **options):
        self.log = Path(log or tempfile.NamedTemporaryFile(prefix="callsheets-", suffix=".log", delete=False).name)
        with self.log.open("wb") as out:
            whole = {**os.environ, **(env or {})}
            self.process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out, env=whole, **options)
        atexit.register(self.stop)

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def alive(self):
        return self.process.poll() is None

    def wait_until(self, ready, what, seconds=20.0):
        """Waits until `ready()` is true; a process that has ended meanwhile shows its output."""
        def look():
            if not self.alive():
                raise Failed(f"{what}: the process has ended\n{self.output()}")
            return ready()
        return wait_for(look, what, seconds)

    def stop(self):
        atexit.unregister(self.stop)
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def tool(name, variable):
    """Path of a program that scripts/setup has found or installed."""
    written = TARGET / "tools" / "env"
    lines = written.read_text().splitlines() if written.exists() else []
    found = [line.split("=", 1)[1].strip('"') for line in lines if line.startswith(f"export {variable}=")]
    path = os.environ.get(variable) or (found[0] if found else shutil.which(name))
    if not path:
        raise Failed(f"no {name}: run ./scripts/setup")
    return path


def watch(output):
    """Fails when what functions wrote out has something personal or secret in it, or metrics that CloudWatch does not take."""
    with tempfile.NamedTemporaryFile("w", prefix="callsheets-", suffix=".log") as file:
        file.write(output)
        file.flush()
        done = subprocess.run([RELEASE / "watch-logs", file.name], capture_output=True, text=True)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise Failed(done.stderr.strip() or "nothing was written out")


class Valkey(Running):
    """A Valkey that keeps nothing."""

    def __init__(self):
        self.port = free_port()
        server = tool("valkey-server", "VALKEY_SERVER")
        super().__init__([server, "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        self.wait_until(lambda: listens(self.port), "Valkey")
        self.url = f"redis://127.0.0.1:{self.port}/"

    def flush(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
            line.sendall(b"FLUSHALL\r\n")
            if line.recv(64) != b"+OK\r\n":
                raise Failed("Valkey does not flush")


class Table(Running):
    """The embedded table of `local`, in memory."""

    def __init__(self):
        if not LOCAL.exists():
            raise Failed("no release binaries: run ./scripts/build-native")
        super().__init__([LOCAL, "table"])
        line = self.wait_until(lambda: [line for line in self.output().splitlines() if " at http://" in line], "the embedded table")
        self.url = line[0].split(" at ")[1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def fill(self, file, name):
        """Imports a file into a table of this name."""
        local("import", file, "--dynamodb", self.url, env={"TABLE_NAME": name, **CREDENTIALS})


class Stripe(Running):
    """The fake Stripe of `local`, whose server nobody asks here."""

    def __init__(self):
        super().__init__([LOCAL, "--port", "0", "--no-demo"])
        line = self.wait_until(lambda: [line for line in self.output().splitlines() if line.startswith("fake Stripe on ")], "the fake Stripe")
        self.url = line[0].removeprefix("fake Stripe on ")
        self.port = int(self.url.rsplit(":", 1)[1])

    def control(self, command, **fields):
        """Makes something happen at Stripe."""
        body = json.dumps(fields).encode()
        request = urllib.request.Request(f"{self.url}/control/{command}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def state(self):
        """Its objects, and the requests to it by method and path."""
        with urllib.request.urlopen(f"{self.url}/control/state", timeout=10) as response:
            return json.load(response)


def local(*words, env=None):
    """Runs a command of `local` and returns what it printed."""
    done = subprocess.run([LOCAL, *map(str, words)], env={**os.environ, **(env or {})}, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"local {' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def main(run):
    """Runs `run`, prints its seconds, and turns a failure into exit code 1."""
    started = time.monotonic()
    # Ends as after an exception, so that what was started is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run()
    except Failed as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        sys.exit(1)
    print(f"done in {time.monotonic() - started:.0f} s")

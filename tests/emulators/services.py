"""Servers that runs with real tools start: ended with the run, their output shown when it fails."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"
LOCAL = TARGET / "release" / "local"

# As in local/src/settings.rs.
JWT_SECRET = "callsheets-local-development-secret-0000"


class Failed(Exception):
    """What is wrong, for whoever started the run."""


def wait_for(ready, what, seconds=20.0, pause=0.01):
    """Waits until `ready()` is true and returns what it gave."""
    end = time.monotonic() + seconds
    while not (result := ready()):
        if time.monotonic() > end:
            raise Failed(f"{what}: not after {seconds:.0f} s")
        time.sleep(pause)
    return result


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
    found = [line.split("=", 1)[1] for line in lines if line.startswith(f"export {variable}=")]
    path = os.environ.get(variable) or (found[0] if found else shutil.which(name))
    if not path:
        raise Failed(f"no {name}: run ./scripts/setup")
    return path


def local(*words, env=None):
    """Runs a command of `local` and returns what it printed."""
    if not LOCAL.exists():
        raise Failed("no target/release/local: cargo build --release -p local")
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

"""A Docker daemon of our own, and the base image that `sam local` runs functions in. Nothing is pulled."""

import io
import ipaddress
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path

from services import Failed, Running, free_port

BASE_IMAGE = "public.ecr.aws/lambda/provided:al2023-x86_64"
# What sam's own Dockerfile calls while it adds the runtime interface emulator.
SHELL_TOOLS = ["sh", "mv", "chmod"]
# Loaded by name while a program runs, so `ldd` does not list them.
NAME_LIBRARIES = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"]


class Daemon(Running):
    """dockerd with data, socket and process id in a temporary folder."""

    def __init__(self):
        for program in ("dockerd", "docker", "iptables", "busybox"):
            if not shutil.which(program):
                raise Failed(f"no {program}: run ./scripts/setup")
        self.folder = Path(tempfile.mkdtemp(prefix="callsheets-docker-"))
        self.socket = f"unix://{self.folder}/sock"
        folders = ["--data-root", self.folder / "root", "--exec-root", self.folder / "exec", "-p", self.folder / "pid"]
        super().__init__(["dockerd", *folders, "-H", self.socket])
        try:
            self.wait_until(lambda: self.docker("info", quiet=True), "Docker does not start", 60)
        except Failed:
            self.stop()
            raise
        # This machine, as containers see it. Where there was no bridge before, Docker makes it and tells only the network: then it is the first address.
        said = self.docker("network", "inspect", "bridge", "-f", "{{with index .IPAM.Config 0}}{{.Subnet}} {{.Gateway}}{{end}}").split()
        self.gateway = said[1] if len(said) > 1 else str(ipaddress.ip_network(said[0])[1])

    @property
    def env(self):
        return {**os.environ, "DOCKER_HOST": self.socket}

    def docker(self, *words, given=None, quiet=False):
        done = subprocess.run(["docker", *words], env=self.env, input=given, capture_output=True)
        if done.returncode and not quiet:
            raise Failed(f"docker {words[0]}: {done.stderr.decode(errors='replace')}")
        return "" if done.returncode else done.stdout.decode()

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def libraries(program):
    """The files that a program is linked against."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.split()
    found = {Path(word) for word in listed if word.startswith("/")}
    beside = {folder / name for folder in {path.parent for path in found} for name in NAME_LIBRARIES}
    return found | {path for path in beside if path.exists()}


def base_image(daemon, program, settings):
    """Imports what a function needs of Amazon Linux: a C library, certificates, a shell for sam. It proves the wiring, not the distribution.

    `settings` become variables of the image: sam passes on only those that template.yaml names.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        def add(source, name):
            tar.add(Path(source).resolve(), arcname=name)

        def folder(name):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(entry)

        add(shutil.which("busybox"), "bin/busybox")
        for name in SHELL_TOOLS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for library in sorted(libraries(program)):
            add(library, str(library).lstrip("/"))
        add("/etc/ssl/certs/ca-certificates.crt", "etc/ssl/certs/ca-certificates.crt")
        for name in ("tmp", "var/task", "var/rapid", "opt"):
            folder(name)
    changes = ["WORKDIR /var/task", 'ENTRYPOINT ["/var/rapid/aws-lambda-rie"]', 'CMD ["bootstrap"]', "ENV PATH=/bin"]
    changes += [f"ENV {name}={value}" for name, value in settings.items()]
    words = [word for change in changes for word in ("-c", change)]
    daemon.docker("import", *words, "-", BASE_IMAGE, given=archive.getvalue())


def forward(host, port):
    """Lets containers reach a loopback port of this machine. Returns the port at `host`, the bridge's address."""
    listener = socket.create_server((host, free_port()))

    def carry(source, target):
        try:
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            target.close()

    def accept():
        while True:
            client, _ = listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", port))
            except OSError:
                # Nobody listens there now. Whoever comes next may be luckier.
                client.close()
                continue
            for pair in ((client, server), (server, client)):
                threading.Thread(target=carry, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]

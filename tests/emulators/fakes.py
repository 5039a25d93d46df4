"""Small HTTP servers in the place of services that no emulator here has."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(answer):
    """Serves `answer(headers, body)`, a status and a JSON document, on a free port. Returns the address."""
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, document = answer(self.headers, asked)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class Queue:
    """As much of SQS as a dead letter needs: `SendMessage`."""

    def __init__(self):
        self.messages = []
        self.endpoint = serve(self.answer)
        self.url = f"{self.endpoint}/123456789012/dead-letters"

    def answer(self, headers, body):
        if headers.get("x-amz-target") != "AmazonSQS.SendMessage":
            return 400, {}
        text = json.loads(body)["MessageBody"]
        self.messages.append(json.loads(text))
        return 200, {"MessageId": f"m-{len(self.messages)}", "MD5OfMessageBody": hashlib.md5(text.encode()).hexdigest()}


class IdentityProvider:
    """Publishes one key, that of RFC 7517's first example."""

    KEYS = {"keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "1",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }]}

    def __init__(self):
        self.url = f"{serve(lambda *_: (200, self.KEYS))}/jwks.json"

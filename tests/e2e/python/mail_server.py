"""A mail server: `mail_server.py DIRECTORY [--starttls KEY CERT] [--account NAME:SECRET] [--busy COUNT]`.

Prints its port, and writes what it is given into the directory. `--busy`: so many mails are put off first (RFC 5321 section 4.2.1).
"""

import argparse
import pathlib
import socket
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Box:
    def __init__(self, directory: pathlib.Path, busy: int):
        self.directory, self.busy, self.count = directory, busy, 0

    async def handle_DATA(self, _server, _session, envelope):
        if self.busy > 0:
            self.busy -= 1
            return "451 Come back later"
        self.count += 1
        written = self.directory / f"{self.count:04}.part"
        written.write_bytes(envelope.content)
        written.rename(written.with_suffix(".eml"))
        return "250 Taken"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--starttls", nargs=2, metavar=("KEY", "CERT"))
    parser.add_argument("--account")
    parser.add_argument("--busy", type=int, default=0)
    own = parser.parse_args()
    more = {}
    if own.starttls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(own.starttls[1], own.starttls[0])
        more |= {"tls_context": context, "require_starttls": True}
    if own.account:
        name, secret = own.account.encode().split(b":")

        def judge(_server, _session, _envelope, _mechanism, shown):
            return AuthResult(success=(shown.login, shown.password) == (name, secret))

        more |= {"authenticator": judge, "auth_required": True}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(Box(own.directory, own.busy), hostname="127.0.0.1", port=port, **more)
    controller.start()
    print(f"takes mail on port {port}", file=sys.stderr, flush=True)
    print(port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()

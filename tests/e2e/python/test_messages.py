"""Messages leave by a real SMTP server process and by a gateway for texts that takes the calls of Twilio and Kavenegar."""

import base64
import email
import hashlib
import hmac
import http.server
import json
import pathlib
import re
import subprocess
import sys
import threading
import time
import urllib.parse
from email import policy

import httpx
import pytest
from harness import LOGS, SYSTEM_PASSWORD, TIMEOUT, Server

HERE = pathlib.Path(__file__).parent


class MailServer:
    """A mail server as a process of its own: what it is given it writes into a directory, one file each."""

    def __init__(self, directory: pathlib.Path, *arguments: str):
        self.directory = directory
        directory.mkdir(exist_ok=True)
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log = (LOGS / f"mail-{directory.parent.name}.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, HERE / "mail_server.py", directory, *arguments],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self.port = int(self.process.stdout.readline())

    def wait(self, count: int, recipient: str | None = None) -> list[email.message.EmailMessage]:
        """The mails so far, once there are so many."""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            files = sorted(self.directory.glob("*.eml"))
            mails = [email.message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
            mails = [mail for mail in mails if recipient is None or recipient in mail["To"]]
            if len(mails) >= count:
                return mails
            time.sleep(0.05)
        raise TimeoutError(f"{count} mails never came")

    def __enter__(self) -> "MailServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT)
        self.process.stdout.close()
        self.log.close()


class Gateway:
    """Takes texts over HTTP as Twilio and Kavenegar do."""

    def __init__(self):
        self.calls: list[dict] = []
        gateway = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                gateway.calls.append({"path": self.path, "headers": self.headers, "body": body})
                if self.path.startswith("/v1/"):
                    status, answer = 200, {"return": {"status": 200, "message": "ok"}, "entries": []}
                else:
                    status, answer = 201, {"sid": "SM1"}
                answer = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count: int) -> dict:
        end = time.monotonic() + TIMEOUT
        while len(self.calls) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{count} texts never came")
            time.sleep(0.05)
        return self.calls[count - 1]


def certificate(directory: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    key, cert = directory / "key.pem", directory / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    return key, cert


def settings(port: int, **more: str) -> dict[str, str]:
    own = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "SMTP_SENDER": "USSO <no-reply@usso.test>"}
    return own | {"SMTP_USE_TLS": "0"} | more


def post(server: Server, path: str, body: dict, **headers: str) -> httpx.Response:
    return httpx.post(server.api + path, json=body, headers=headers, timeout=TIMEOUT, trust_env=False)


def configure(server: Server, **parts: dict) -> None:
    login = post(server, "/auth/login", {"identifier": "admin", "secret": SYSTEM_PASSWORD}).json()
    headers = {"Authorization": f"Bearer {login['access_token']}"}
    answer = httpx.patch(
        f"{server.api}/tenants/org_default", json=parts, headers=headers, timeout=TIMEOUT, trust_env=False
    )
    assert answer.status_code == 200, answer.text


def part(mail: email.message.EmailMessage, kind: str) -> str:
    return mail.get_body((kind,)).get_content()


@pytest.mark.parametrize(("language", "words", "direction"), [("en", "sign-in code", "ltr"), ("fa", "کد ورود", "rtl")])
def test_a_code_and_a_link_arrive_by_smtp(tmp_path, language, words, direction):
    with MailServer(tmp_path / "mail") as mail, Server(tmp_path, **settings(mail.port)) as server:
        configure(server, config={"default_language": language})
        assert post(server, "/auth/request-otp", {"identifier": "ada@example.com"}).status_code == 200
        (letter,) = mail.wait(1)
        assert letter["From"] == "USSO <no-reply@usso.test>" and letter["To"] == "ada@example.com"
        assert words in letter["Subject"]
        assert f'dir="{direction}"' in part(letter, "html")
        code = re.search(r"^(\d{6})\s*$", part(letter, "plain"), re.M)[1]
        body = {"identifier": "ada@example.com", "method": "otp", "secret": code}
        assert post(server, "/auth/login", body).json()["status"] == "completed"

        assert post(server, "/auth/request-magic-link", {"identifier": "bob@example.com"}).status_code == 200
        (letter,) = mail.wait(1, "bob@example.com")
        link = re.search(r"http\S+", part(letter, "plain"))[0]
        token = urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)["token"][0]
        assert link.split("?")[0] == f"{server.api}/auth/magic-link" and link.split("&")[0] in part(letter, "html")
        first = post(server, "/auth/magic-link", {"token": token})
        assert first.json()["status"] == "completed"
        again = post(server, "/auth/magic-link", {"token": token})
        assert (again.status_code, again.json()["code"]) == (401, "LINK_INVALID")
        assert server.stop()[0] == 0


def test_mail_goes_over_starttls_to_whom_it_trusts_with_an_account(tmp_path):
    key, cert = certificate(tmp_path)
    account = "usso:canary-mail-secret"
    with MailServer(tmp_path / "mail", "--starttls", key, cert, "--account", account) as mail:
        own = settings(mail.port, SMTP_USE_TLS="1", SMTP_USERNAME="usso", SMTP_PASSWORD="canary-mail-secret")
        with Server(tmp_path, **own, SSL_CERT_FILE=str(cert)) as server:
            assert post(server, "/auth/request-otp", {"identifier": "ada@example.com"}).status_code == 200
            assert len(mail.wait(1)) == 1
            assert server.stop()[0] == 0


def test_a_dead_or_slow_mail_server_slows_no_request_and_loses_nothing(tmp_path):
    with MailServer(tmp_path / "mail", "--busy", "1") as mail, Server(tmp_path, **settings(mail.port)) as server:
        begun = time.monotonic()
        assert post(server, "/auth/request-otp", {"identifier": "ada@example.com"}).status_code == 200
        assert time.monotonic() - begun < 5
        # The first try is put off; the second is taken.
        server.wait_for_log("tried again")
        assert len(mail.wait(1)) == 1
        assert server.stop()[0] == 0


def test_texts_leave_by_twilio_and_kavenegar(tmp_path):
    gateway = Gateway()
    with Server(tmp_path, USSO__OUTBOUND__ALLOW_HOSTS="127.0.0.1") as server:
        refused = post(server, "/auth/request-otp", {"identifier": "+989121234567"})
        assert (refused.status_code, refused.json()["code"]) == (503, "DELIVERY_UNAVAILABLE")

        twilio = {"provider": "twilio", "account_sid": "AC1", "auth_token": "canary-twilio", "from": "+15550100"}
        configure(server, messaging={"sms": twilio | {"base_url": gateway.url}})
        assert post(server, "/auth/request-otp", {"identifier": "+989121234567"}).status_code == 200
        call = gateway.wait(1)
        assert call["path"] == "/2010-04-01/Accounts/AC1/Messages.json"
        account = base64.b64decode(call["headers"]["authorization"].removeprefix("Basic ")).decode()
        assert account == "AC1:canary-twilio"
        form = dict(urllib.parse.parse_qsl(call["body"]))
        assert (form["To"], form["From"]) == ("+989121234567", "+15550100")
        code = re.search(r"\d{6}", form["Body"])[0]
        body = {"phone": "+989121234567", "method": "otp", "secret": code}
        assert post(server, "/auth/login", body).json()["status"] == "completed"

        kavenegar = {"provider": "kavenegar", "api_key": "canary-kavenegar", "sender": "1000", "base_url": gateway.url}
        configure(server, messaging={"sms": kavenegar | {"from": None}}, config={"default_language": "fa"})
        assert post(server, "/auth/request-otp", {"identifier": "+989127654321"}).status_code == 200
        call = gateway.wait(2)
        assert call["path"] == "/v1/canary-kavenegar/sms/send.json"
        form = dict(urllib.parse.parse_qsl(call["body"]))
        assert (form["receptor"], form["sender"]) == ("+989127654321", "1000") and "کد ورود" in form["message"]

        webhook = {"provider": "webhook", "url": f"{gateway.url}/texts", "secret": "canary-webhook"}
        configure(server, messaging={"sms": webhook})
        assert post(server, "/auth/request-otp", {"identifier": "+989120000000"}).status_code == 200
        call = gateway.wait(3)
        signed = f"{call['headers']['x-usso-timestamp']}.{call['body']}".encode()
        tag = base64.urlsafe_b64encode(hmac.new(b"canary-webhook", signed, hashlib.sha256).digest()).decode().rstrip("=")
        assert call["headers"]["x-usso-signature"] == f"sha256={tag}"
        assert json.loads(call["body"])["to"] == "+989120000000"
        assert server.stop()[0] == 0

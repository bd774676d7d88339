"""The files of deploy/: they are well-formed, agree with each other, and nginx works with the one made for it."""

import json
import re
import ssl
import subprocess
import threading

import httpx
import pytest
import yaml
from conftest import PASSWORD
from harness import LOGS, ROOT, SYSTEM_PASSWORD, TIMEOUT, Server, run

DEPLOY = ROOT / "deploy"
TENANT_HOST = "login.acme.example"
HOST = "sso.example.com"


def read(name: str) -> dict:
    return yaml.safe_load((DEPLOY / name).read_text())


def free_ports(count: int) -> list[int]:
    import socket

    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def certificate(directory, *hosts: str) -> None:
    """tls.crt and tls.key of a self-signed certificate, each moved into place."""
    names = ",".join(f"DNS:{host}" for host in hosts)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={hosts[0]}", "-addext", f"subjectAltName={names}", "-keyout", "new.key", "-out", "new.crt"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    for name in ("key", "crt"):
        (directory / f"new.{name}").rename(directory / f"tls.{name}")


# ---- what is written --------------------------------------------------------------------------------------------


def test_every_yaml_file_is_well_formed():
    files = [*DEPLOY.rglob("*.yaml")]
    assert len(files) >= 4
    for path in files:
        assert isinstance(yaml.safe_load(path.read_text()), dict), path


def test_compose_names_what_it_has():
    compose = read("compose.yaml")
    for name, service in compose["services"].items():
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
        assert set(service["networks"]) <= set(compose["networks"]), name
        assert set(service.get("depends_on", [])) <= set(compose["services"]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or source.startswith(("./", "/")), volume
        for variable, value in service.get("environment", {}).items():
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], variable
    usso = compose["services"]["usso"]
    assert usso["deploy"]["replicas"] == 2
    delay, drain, grace = int(usso["environment"]["SHUTDOWN_DELAY"]), 10, int(usso["stop_grace_period"].rstrip("s"))
    assert delay + drain < grace
    for name in ("postgres", "redis"):
        assert compose["services"][name]["healthcheck"]["test"][0] == "CMD", name
        assert usso["depends_on"][name] == {"condition": "service_healthy"}


def test_usso_accepts_the_environment_that_compose_gives_it(tmp_path):
    values = {
        "database-url": "postgres://usso:canary-postgres@postgres:5432/usso",
        "master-key": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
        "system-password": SYSTEM_PASSWORD,
    }
    given = {}
    for name, value in read("compose.yaml")["services"]["usso"]["environment"].items():
        if name.endswith("_FILE"):
            secret = tmp_path / value.removeprefix("/run/secrets/")
            secret.write_text(values[secret.name] + "\n")
            value = str(secret)
        given[name] = re.sub(r"\$\{\w+:-(.*)\}", r"\1", value)
    done = run("config", "check", cwd=tmp_path, **given)
    assert (done.returncode, done.stdout) == (0, "The configuration is fine.\n"), done.stderr


def test_traefik_knows_what_the_labels_name():
    labels = read("compose.yaml")["services"]["usso"]["labels"]
    static, dynamic = read("traefik/traefik.yaml"), read("traefik/dynamic/usso.yaml")
    machines = read("traefik/machines.yaml")["http"]
    middlewares = set(dynamic["http"]["middlewares"])
    assert labels["traefik.http.routers.usso.entrypoints"] in static["entryPoints"]
    assert {name.removesuffix("@file") for name in labels["traefik.http.routers.usso.middlewares"].split(",")} <= middlewares
    for router in machines["routers"].values():
        assert set(router["entryPoints"]) <= set(static["entryPoints"])
        assert set(router["middlewares"]) <= middlewares and router["service"] in machines["services"]
    body = dynamic["http"]["middlewares"]["body"]["buffering"]["maxRequestBodyBytes"]
    assert body == 1024 * 1024, "body_limit_bytes"


# ---- the TLS listener ---------------------------------------------------------------------------------------------


def served_certificate(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=TIMEOUT)


def test_the_certificate_is_renewed_on_sighup(tmp_path):
    import signal

    certificate(tmp_path, "localhost")
    with Server(tmp_path, TLS_CERT="tls.crt", TLS_KEY="tls.key") as server:
        context = ssl.create_default_context(cafile=tmp_path / "tls.crt")
        with httpx.Client(verify=context, trust_env=False, timeout=TIMEOUT) as client:
            secure = f"https://localhost:{server.port}"
            assert client.get(f"{secure}/health").json()["status"] == "healthy"
            assert run("health", "--port", str(server.port), cwd=tmp_path, TLS_CERT="tls.crt", TLS_KEY="tls.key").returncode == 0

            (tmp_path / "tls.key").write_text("no key")
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_log("the old one stays")
            assert served_certificate(server.port) == (tmp_path / "tls.crt").read_text()

            certificate(tmp_path, "localhost")
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_log("was read again")
            assert served_certificate(server.port) == (tmp_path / "tls.crt").read_text()
            assert client.get(f"{secure}/health").status_code == 200, "the old connection goes on"
        assert server.stop()[0] == 0


def test_a_key_of_another_certificate_refuses_to_start(tmp_path):
    certificate(tmp_path, "localhost")
    (tmp_path / "tls.key").rename(tmp_path / "old.key")
    certificate(tmp_path, "localhost")
    done = run("serve", "--port", "0", cwd=tmp_path, TLS_CERT="tls.crt", TLS_KEY="old.key")
    assert done.returncode == 1
    assert "TLS_KEY" in done.stderr and "old.key" in done.stderr and "does not belong" in done.stderr


def test_health_says_whether_the_server_is_ready(tmp_path):
    with Server(tmp_path) as server:
        done = run("health", "--port", str(server.port), cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert server.stop()[0] == 0


def test_without_certificates_sighup_does_nothing(tmp_path):
    import signal

    with Server(tmp_path) as server:
        server.process.send_signal(signal.SIGHUP)
        assert run("health", "--port", str(server.port), cwd=tmp_path).returncode == 0
        assert server.stop()[0] == 0
        done = run("health", "--port", str(server.port), cwd=tmp_path)
        assert done.returncode == 1 and "does not answer" in done.stderr


# ---- nginx --------------------------------------------------------------------------------------------------------


class Nginx:
    """nginx with deploy/nginx/usso.conf; only ports and paths are others."""

    def __init__(self, directory, upstreams: list[int]):
        self.directory = directory
        self.plain, self.port = free_ports(2)
        certificate(directory, HOST, TENANT_HOST)
        text = (DEPLOY / "nginx/usso.conf").read_text()
        for old, new in {
            "listen [::]:80 default_server;": "",
            "listen [::]:443 ssl http2;": "",
            "listen 80 ": f"listen 127.0.0.1:{self.plain} ",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "127.0.0.1:8000 ": f"127.0.0.1:{upstreams[0]} ",
            "127.0.0.1:8001 ": f"127.0.0.1:{upstreams[1]} ",
            "/etc/nginx/tls/usso.crt": str(directory / "tls.crt"),
            "/etc/nginx/tls/usso.key": str(directory / "tls.key"),
            "/var/log/nginx/usso.log": str(directory / "usso.log"),
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        (directory / "usso.conf").write_text(text)
        temporary = "".join(f"{n}_temp_path {directory}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (directory / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {directory}/pid; error_log stderr notice;"
            f"events {{}} http {{ access_log off; {temporary} include {directory}/usso.conf; }}"
        )
        self.process = subprocess.Popen(
            ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")], stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        started = threading.Event()

        def keep() -> None:
            with (LOGS / f"nginx-{self.process.pid}.log").open("w") as log:
                for line in self.process.stderr:
                    log.write(line)
                    self.lines.append(line)
                    if "using the" in line or "start" in line:
                        started.set()
            started.set()

        threading.Thread(target=keep, daemon=True).start()
        assert started.wait(TIMEOUT) and self.process.poll() is None, self.lines

    def request(self, method: str, host: str, path: str, client: str = "127.0.0.1", headers=None, **more) -> httpx.Response:
        """From the loopback address `client`."""
        context = ssl.create_default_context(cafile=self.directory / "tls.crt")
        transport = httpx.HTTPTransport(verify=context, local_address=client, retries=3)
        with httpx.Client(transport=transport, timeout=TIMEOUT) as http:
            return http.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                headers={"Host": host} | (headers or {}),
                extensions={"sni_hostname": host},
                **more,
            )


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    directory = tmp_path_factory.mktemp("nginx")
    created = ["--name", "Acme", "--domain", TENANT_HOST, "--admin", "owner@acme.example", "--admin-password-stdin"]
    settings = {"BASE_URL": f"https://{HOST}", "TRUSTED_PROXIES": "127.0.0.1"}
    done = run("tenants", "create", *created, cwd=directory, stdin=f"{PASSWORD}\n", **settings)
    assert done.returncode == 0, done.stderr
    with Server(directory, **settings) as server:
        # Nothing listens at the other address, as when one of two instances is being restarted.
        nginx = Nginx(directory, [free_ports(1)[0], server.port])
        yield nginx, server
        nginx.process.terminate()
        assert nginx.process.wait(TIMEOUT) == 0
        assert server.stop()[0] == 0


def login(nginx: Nginx, host: str, identifier: str, secret: str, **headers: str) -> httpx.Response:
    body = {"identifier": identifier, "secret": secret}
    return nginx.request("POST", host, "/api/sso/v1/auth/login", headers=headers, json=body)


def issuer(answer: httpx.Response) -> str:
    import base64

    payload = answer.json()["access_token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=="))["iss"]


def test_behind_nginx_the_host_chooses_the_tenant_and_issuers_are_https(proxied):
    nginx, _ = proxied
    for _ in range(4):
        assert nginx.request("GET", HOST, "/health").status_code == 200, "the instance that is down is passed over"
    own = login(nginx, HOST, "admin", SYSTEM_PASSWORD)
    assert (own.status_code, own.json()["tenant_id"], issuer(own)) == (200, "org_default", f"https://{HOST}")
    theirs = login(nginx, TENANT_HOST, "owner@acme.example", PASSWORD)
    assert (theirs.status_code, theirs.json()["tenant_id"], issuer(theirs)) == (200, "org_acme", f"https://{TENANT_HOST}")
    keys = nginx.request("GET", TENANT_HOST, "/.well-known/jwks.json")
    assert keys.status_code == 200 and keys.json()["keys"]


def test_behind_nginx_the_client_keeps_its_address_and_what_it_invents_is_ignored(proxied):
    nginx, server = proxied
    invented = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Host": TENANT_HOST,
        "X-Forwarded-Proto": "http",
        "Forwarded": f"for=6.6.6.6;host={TENANT_HOST};proto=http",
    }
    answer = nginx.request("GET", HOST, "/health?token=canary-query", client="127.0.0.9", headers=invented)
    request_id = answer.headers["x-request-id"]
    server.wait_for_log(request_id)
    line = next(line for line in server.lines if request_id in line)
    assert "127.0.0.9" in line and "6.6.6.6" not in line
    cookies = login(nginx, HOST, "admin", SYSTEM_PASSWORD, **invented)
    assert cookies.json()["tenant_id"] == "org_default"
    kept = (nginx.directory / "usso.log").read_text()
    assert request_id in kept and "canary-query" not in kept


def test_nginx_refuses_large_bodies_and_sends_plain_requests_to_https(proxied):
    nginx, _ = proxied
    large = nginx.request("POST", HOST, "/api/sso/v1/auth/login", content=b"x" * (1024 * 1024 + 1))
    assert large.status_code == 413
    plain = httpx.get(f"http://127.0.0.1:{nginx.plain}/a?b=c", headers={"Host": HOST}, trust_env=False)
    assert (plain.status_code, plain.headers["location"]) == (308, f"https://{HOST}/a?b=c")

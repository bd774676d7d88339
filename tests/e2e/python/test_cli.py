"""The command line and the process: configuration, sub-commands, secrets on disk, starting and stopping."""

import base64
import json
import re
import socket
import stat

import httpx
import pytest
from harness import SYSTEM_PASSWORD, Server, run

NEW_PASSWORD = "canary-Second-of-pickles-8!"


def login(server, secret: str, identifier: str = "admin", root: str = "") -> httpx.Response:
    body = {"identifier": identifier, "secret": secret}
    return httpx.post(f"{server.url}{root}/api/sso/v1/auth/login", json=body, trust_env=False, timeout=30)


def me(server, token: str) -> int:
    return httpx.get(f"{server.api}/me", headers={"Authorization": f"Bearer {token}"}, trust_env=False).status_code


# ---- configuration ----------------------------------------------------------------------------------------------


def test_config_check_accepts_the_defaults(tmp_path):
    done = run("config", "check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "The configuration is fine.\n")
    assert not (tmp_path / "data").exists(), "checking writes nothing"


def test_an_unknown_key_in_the_file_is_refused_by_its_source(tmp_path):
    (tmp_path / "usso.toml").write_text("[server]\nport = 8000\nprot = 1\n")
    done = run("config", "check", cwd=tmp_path)
    assert done.returncode == 1
    assert 'usso.toml" line 3' in done.stderr and '"prot"' in done.stderr


def test_an_unknown_variable_is_refused_by_its_name(tmp_path):
    done = run("config", "check", cwd=tmp_path, USSO__SERVER__PROT="1")
    assert done.returncode == 1
    assert "USSO__SERVER__PROT" in done.stderr


def test_an_unknown_variable_in_dot_env_is_refused_by_its_source(tmp_path):
    (tmp_path / ".env").write_text("USSO__SERVER__PROT=1\n")
    done = run("config", "check", cwd=tmp_path)
    assert done.returncode == 1
    assert ".env" in done.stderr and "USSO__SERVER__PROT" in done.stderr


def test_a_database_that_is_not_built_in_is_refused(tmp_path):
    done = run("config", "check", cwd=tmp_path, MONGO_URI="mongodb://user:canary-mongo@db/usso")
    assert done.returncode == 1
    assert "MONGO_URI" in done.stderr and "canary-mongo" not in done.stderr


def test_config_print_masks_secrets_and_names_sources(tmp_path):
    key = base64.b64encode(b"k" * 32).decode()
    secrets = {"SYSTEM_PASSWORD": SYSTEM_PASSWORD, "MASTER_KEY": key, "SMTP_PASSWORD": "canary-smtp"}
    done = run("config", "print", cwd=tmp_path, SMTP_HOST="mail", SMTP_USERNAME="u", SMTP_SENDER="a@b.test", **secrets)
    assert done.returncode == 0, done.stderr
    assert "SMTP_HOST" in done.stdout and "mail" in done.stdout and "***" in done.stdout
    for secret in secrets.values():
        assert secret not in done.stdout + done.stderr


# ---- documents ---------------------------------------------------------------------------------------------------


def test_openapi_prints_the_document(tmp_path):
    done = run("openapi", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert (done.returncode, document["openapi"][:3]) == (0, "3.1")
    assert "/api/sso/v1/auth/login" in document["paths"]


# ---- tenants and the administrator ------------------------------------------------------------------------------


def test_tenants_create_prints_an_invitation_once_that_works_once(tmp_path):
    created = run("tenants", "create", "--name", "Acme", "--admin", "owner@acme.test", cwd=tmp_path)
    assert created.returncode == 0, created.stderr
    assert "Created org_acme." in created.stdout
    links = re.findall(r"\S+/auth/invitation\?token=(\S+)", created.stdout)
    assert len(links) == 1
    with Server(tmp_path) as server:
        url = f"{server.url}/t/org_acme/api/sso/v1/auth/invitation"
        shown = httpx.get(url, params={"token": links[0]}, trust_env=False)
        assert (shown.status_code, shown.json()["identifier"]) == (200, "owner@acme.test")
        body = {"token": links[0], "secret": NEW_PASSWORD}
        assert httpx.post(url, json=body, trust_env=False).status_code == 201
        assert httpx.post(url, json=body, trust_env=False).status_code == 410
        signed_in = login(server, NEW_PASSWORD, "owner@acme.test", "/t/org_acme").json()
        assert (signed_in["tenant_id"], signed_in["scopes"]) == ("org_acme", ["*:*"])
        assert links[0] not in "".join(server.lines), "the token of an invitation is not logged"


def test_tenants_create_takes_a_password_from_standard_input(tmp_path):
    arguments = ["--name", "Acme", "--domain", "login.acme.test", "--admin", "owner@acme.test"]
    created = run("tenants", "create", *arguments, "--admin-password-stdin", cwd=tmp_path, stdin=f"{NEW_PASSWORD}\n")
    assert created.returncode == 0, created.stderr
    assert "invitation" not in created.stdout and NEW_PASSWORD not in created.stdout + created.stderr
    with Server(tmp_path) as server:
        answer = httpx.post(
            f"{server.api}/auth/login",
            headers={"Host": "login.acme.test"},
            json={"identifier": "owner@acme.test", "secret": NEW_PASSWORD},
            trust_env=False,
        )
        assert (answer.status_code, answer.json()["tenant_id"]) == (200, "org_acme")


def test_tenants_create_refuses_a_taken_name(tmp_path):
    assert run("tenants", "create", "--name", "Acme", cwd=tmp_path).returncode == 0
    again = run("tenants", "create", "--name", "Acme", cwd=tmp_path)
    assert again.returncode == 1 and again.stderr.startswith("usso: ")


def test_admin_reset_password_ends_sessions_and_the_old_password(tmp_path):
    with Server(tmp_path) as server:
        signed_in = login(server, SYSTEM_PASSWORD).json()
        assert me(server, signed_in["access_token"]) == 200
        assert server.stop()[0] == 0
    done = run("admin", "reset-password", "--password-stdin", cwd=tmp_path, stdin=f"{NEW_PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    assert NEW_PASSWORD not in done.stdout + done.stderr
    # SYSTEM_PASSWORD would set its own password again.
    with Server(tmp_path, system_password=None) as server:
        assert me(server, signed_in["access_token"]) == 401
        refreshed = httpx.post(f"{server.api}/auth/refresh", json={"refresh_token": signed_in["refresh_token"]})
        assert refreshed.status_code == 401
        assert login(server, SYSTEM_PASSWORD).status_code == 401
        assert login(server, NEW_PASSWORD).status_code == 200


def test_system_password_resets_the_password_at_start(tmp_path):
    for password in (SYSTEM_PASSWORD, NEW_PASSWORD):
        with Server(tmp_path, system_password=password) as server:
            assert login(server, password).status_code == 200
            assert server.stop()[0] == 0


def test_a_generated_password_is_printed_once_and_never_logged(tmp_path):
    with Server(tmp_path, system_password=None, LOG_DIR=str(tmp_path / "logs")) as server:
        code, printed = server.stop()
    password = re.search(r"password \(shown once\): (\S+)", printed)[1]
    assert code == 0 and printed.count(password) == 1
    logged = (tmp_path / "logs/app.log").read_text()
    assert "ready" in logged
    assert password not in logged and password not in "".join(server.lines)
    with Server(tmp_path, system_password=None) as server:
        assert login(server, password).status_code == 200
        _, printed = server.stop()
    assert "password" not in printed


# ---- the data directory -------------------------------------------------------------------------------------------


def test_the_data_directory_is_readable_by_its_owner_only(tmp_path):
    with Server(tmp_path):
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "data").iterdir()}
        assert modes["master.key"] == 0o600 and modes["usso.db"] == 0o600
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_second_process_on_the_same_data_directory_is_refused(tmp_path):
    with Server(tmp_path) as server:
        second = run("serve", "--port", "0", cwd=tmp_path)
        assert second.returncode == 1
        assert "in use by another process" in second.stderr
        assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200


def test_a_wrong_master_key_refuses_to_start(tmp_path):
    with Server(tmp_path) as server:
        assert server.stop()[0] == 0
    wrong = base64.b64encode(b"w" * 32).decode()
    done = run("serve", "--port", "0", cwd=tmp_path, MASTER_KEY=wrong)
    assert done.returncode == 1
    assert "MASTER_KEY" in done.stderr and wrong not in done.stderr


def test_a_lost_master_key_refuses_to_start(tmp_path):
    with Server(tmp_path) as server:
        assert server.stop()[0] == 0
    (tmp_path / "data/master.key").unlink()
    done = run("serve", "--port", "0", cwd=tmp_path)
    assert done.returncode == 1 and "MASTER_KEY" in done.stderr


# ---- the process -------------------------------------------------------------------------------------------------


def test_the_default_address_is_this_machine_only(tmp_path):
    done = run("config", "print", cwd=tmp_path)
    assert "127.0.0.1" in done.stdout and "0.0.0.0" not in done.stdout
    with Server(tmp_path) as server:
        # All of 127.0.0.0/8 is this machine: a listener on 0.0.0.0 would answer here.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", server.port), timeout=5).close()


def test_sigterm_finishes_a_request_under_way_and_exits_with_zero(tmp_path):
    body = json.dumps({"identifier": "admin", "secret": SYSTEM_PASSWORD}).encode()
    with Server(tmp_path) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as slow:
            head = "POST /api/sso/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            slow.sendall(f"{head}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
            # Once the server says so, it is reading the body: the request is under way.
            assert slow.recv(1024).startswith(b"HTTP/1.1 100")
            slow.sendall(body[:10])
            server.process.terminate()
            server.wait_for_log("stopping")
            # The listener closes in its own thread; from then on nobody new is let in.
            with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
                for _ in range(10_000):
                    socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
            slow.sendall(body[10:])
            answer = slow.makefile("rb").readline()
        code, _ = server.wait()
    assert (answer.split()[1], code) == (b"200", 0)

"""The commands of the product's definition about tenants, run as they are written there, but for the port."""

import json
import subprocess

import pytest
from conftest import PASSWORD
from harness import SYSTEM_PASSWORD, Server


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A server nobody has used: the commands name tenants of their own."""
    with Server(tmp_path_factory.mktemp("seeds"), USSO__LOG__LEVEL="info") as running:
        yield running
        running.stop()


class Shell:
    def __init__(self, server):
        self.server = server
        self.variables = {}

    def run(self, command: str) -> dict | list:
        """Runs a command; hosts without a name service are found by this machine, as a resolver would."""
        port = self.server.port
        command = command.replace("http://localhost:8000", f"http://localhost:{port}")
        for host in ("company-a.com", "company-b.com"):
            command = command.replace(f"https://{host}", f"--connect-to {host}:80:localhost:{port} http://{host}")
        for name, value in self.variables.items():
            command = command.replace(name, value)
        done = subprocess.run(
            ["bash", "-c", command.replace("curl ", "curl -s -w '\\n%{http_code}' ", 1)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        body, _, status = done.stdout.rpartition("\n")
        self.status = int(status)
        return json.loads(body) if body else None


def login(shell: Shell, identifier: str, secret: str, tenant: str | None = None) -> str:
    header = f'-H "X-Tenant-ID: {tenant}" ' if tenant else ""
    body = json.dumps({"identifier": identifier, "secret": secret})
    answer = shell.run(
        f"curl -X POST http://localhost:8000/api/sso/v1/auth/login {header}"
        f"-H 'Content-Type: application/json' -d '{body}'"
    )
    assert shell.status == 200, answer
    return answer["access_token"]


@pytest.fixture(scope="module")
def shell(fresh):
    shell = Shell(fresh)
    shell.variables["SYSTEM_ADMIN_TOKEN"] = login(shell, "admin", SYSTEM_PASSWORD)
    return shell


def test_registering_domains_with_a_tenant_needs_the_system_administrator(shell):
    """The first example has no token; ruling D4 reads it as abbreviated."""
    command = """curl -X POST http://localhost:8000/api/sso/v1/tenants \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "Company A",
    "domains": ["company-a.com", "app.company-a.com"]
  }'"""
    shell.run(command)
    assert shell.status == 401
    for name, host in (("Company A", "company-a.com"), ("Company B", "company-b.com")):
        full = command.replace("Company A", name).replace("company-a.com", host)
        full = full.replace("-d '{", """-H "Authorization: Bearer SYSTEM_ADMIN_TOKEN" -d '{
    "admin": {"identifier": "boss@example.com", "password": "%s"},""" % PASSWORD)
        tenant = shell.run(full)
        assert shell.status == 201, tenant
        assert tenant["id"] == "org_" + name.lower().replace(" ", "_")
        assert [d for d in tenant["domains"]] == [host, f"app.{host}"]


def test_the_host_resolves_the_tenant(shell):
    for host, tenant in (("company-a.com", "org_company_a"), ("company-b.com", "org_company_b")):
        token = login(shell, "boss@example.com", PASSWORD, tenant)
        me = shell.run(f'curl https://{host}/api/sso/v1/me -H "Authorization: Bearer {token}"')
        assert (shell.status, me["tenant_id"]) == (200, tenant)
        other = {"company-a.com": "company-b.com", "company-b.com": "company-a.com"}[host]
        refused = shell.run(f'curl https://{other}/api/sso/v1/me -H "Authorization: Bearer {token}"')
        assert (shell.status, refused["detail"]) == (401, "Invalid token")
    assert shell.run("curl https://company-a.com/api/sso/v1/me")["code"] == "NOT_AUTHENTICATED"


def test_the_header_resolves_the_tenant(shell):
    shell.variables["YOUR_TOKEN"] = login(shell, "boss@example.com", PASSWORD, "org_company_a")
    command = """curl -X GET http://localhost:8000/api/sso/v1/me \\
  -H "X-Tenant-ID: org_company_a" \\
  -H "Authorization: Bearer YOUR_TOKEN\""""
    assert (shell.run(command)["tenant_id"], shell.status) == ("org_company_a", 200)
    refused = shell.run(command.replace("org_company_a", "org_company_b"))
    assert (shell.status, refused["error"], refused["detail"]) == (401, "Unauthorized", "Invalid token")


def test_a_tenant_is_created_with_its_settings(shell):
    tenant = shell.run("""curl -X POST http://localhost:8000/api/sso/v1/tenants \\
  -H "Authorization: Bearer SYSTEM_ADMIN_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "My Company",
    "slug": "my-company",
    "domains": ["mycompany.com"],
    "config": {
      "require_mfa": false,
      "session_timeout": 7200
    }
  }'""")
    assert (shell.status, tenant["id"]) == (201, "org_my_company")
    assert tenant["config"]["session_timeout"] == 7200


def test_users_are_the_addressed_tenants_and_the_system_administrator_reads_any(shell):
    token = login(shell, "boss@example.com", PASSWORD, "org_company_a")
    own = shell.run(f'curl https://company-a.com/api/sso/v1/users -H "Authorization: Bearer {token}"')
    assert {user["tenant_id"] for user in own["items"]} == {"org_company_a"}
    for root in ("", "/api/sso/v1"):
        path = f"http://localhost:8000{root}/admin/tenants/org_company_b/users"
        listed = shell.run(f'curl {path} -H "Authorization: Bearer SYSTEM_ADMIN_TOKEN"')
        assert (shell.status, {user["tenant_id"] for user in listed["users"]}) == (200, {"org_company_b"})
        shell.run(f'curl {path} -H "Authorization: Bearer {token}"')
        assert shell.status == 401


def test_a_user_moves_between_tenants(shell):
    token = login(shell, "boss@example.com", PASSWORD, "org_company_a")
    body = json.dumps({"identifier": "mover@example.com", "password": PASSWORD, "roles": ["editor"]})
    user = shell.run(
        f"curl https://company-a.com/api/sso/v1/users -H 'Content-Type: application/json' "
        f"-H 'Authorization: Bearer {token}' -d '{body}'"
    )
    assert shell.status == 201, user
    before = login(shell, "mover@example.com", PASSWORD, "org_company_a")
    moved = shell.run(
        f"curl http://localhost:8000/admin/tenants/org_company_a/users/{user['id']}/move "
        "-H 'Content-Type: application/json' -H 'Authorization: Bearer SYSTEM_ADMIN_TOKEN' "
        "-d '{\"tenant_id\": \"org_company_b\"}'"
    )
    assert (shell.status, moved["tenant_id"], moved["roles"], moved["workspaces"]) == (200, "org_company_b", [], [])
    shell.run(f"curl https://company-a.com/api/sso/v1/me -H 'Authorization: Bearer {before}'")
    assert shell.status == 401
    assert login(shell, "mover@example.com", PASSWORD, "org_company_b")


def test_an_unknown_host_is_no_tenant(shell):
    refused = shell.run('curl http://localhost:8000/api/sso/v1/me -H "Host: nobody.example"')
    assert (shell.status, refused["detail"], refused["code"]) == (400, "Tenant not found", "TENANT_NOT_FOUND")

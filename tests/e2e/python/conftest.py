"""One server for the tests of the SDK, with a tenant of its own for each side of the isolation."""

import pathlib
import sys

import httpx
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import SYSTEM_PASSWORD, Server  # noqa: E402

PASSWORD = "canary-Lantern-of-cactus-9!"


class Api:
    """Requests to one server."""

    def __init__(self, server: Server):
        self.server = server
        self.http = httpx.Client(base_url=server.api, timeout=30, trust_env=False)

    def login(self, identifier: str, secret: str = PASSWORD, tenant: str | None = None, **more: object) -> dict:
        headers = {"X-Tenant-ID": tenant} if tenant else {}
        body = {"identifier": identifier, "secret": secret, **more}
        # A client of its own: cookies of one user must not reach the next.
        answer = httpx.post(f"{self.server.api}/auth/login", json=body, headers=headers, timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.status_code
        return answer.json()

    def get(self, path: str, token: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers={"Authorization": f"Bearer {token}", **headers})


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running
        if running.process.poll() is None:
            code, _ = running.stop()
            assert code == 0


@pytest.fixture(scope="session")
def api(server):
    return Api(server)


@pytest.fixture(scope="session")
def acme(api):
    """A second tenant; its id."""
    token = api.login("admin", SYSTEM_PASSWORD)["access_token"]
    body = {"name": "Acme", "admin": {"identifier": "owner@acme.test", "password": PASSWORD}}
    answer = api.http.post("/tenants", json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


@pytest.fixture(autouse=True)
def _no_ambient_settings(monkeypatch):
    """The SDK reads these; a test says what it wants."""
    for name in ("USSO_BASE_URL", "USSO_REFRESH_TOKEN", "USSO_API_KEY", "JWT_CONFIG", "JWT_CONFIGS"):
        monkeypatch.delenv(name, raising=False)

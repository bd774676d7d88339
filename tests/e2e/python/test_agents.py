"""Agents with the unmodified SDK from PyPI: signing in, registering."""

import asyncio

import httpx
import pytest
from harness import SYSTEM_PASSWORD
from usso import AsyncUssoClient, UssoAuth, UssoClient
from usso.utils import register_agent, register_agent_async


@pytest.fixture(autouse=True)
def _base_url(server, monkeypatch):
    """The exchange ignores the client's base URL and reads this."""
    monkeypatch.setenv("USSO_BASE_URL", server.url)
    for name in ("AGENT_ID", "AGENT_PRIVATE_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def admin(api) -> dict:
    """Headers of the system administrator."""
    return {"Authorization": f"Bearer {api.login('admin', SYSTEM_PASSWORD)['access_token']}"}


def made(api, admin, **body: object) -> dict:
    answer = api.http.post("/agents", json={"name": "Export", "scopes": ["read:users"]} | body, headers=admin)
    assert answer.status_code == 201, answer.status_code
    return answer.json()


def check(server, agent: dict, token: str) -> None:
    """What an application sees of an agent's token."""
    user = UssoAuth(jwt_config={"jwks_url": f"{server.url}/.well-known/jwks.json"}).user_data_from_token(token)
    assert (user.sub, user.tenant_id, user.scopes) == (agent["id"], "org_default", ["read:users"])


@pytest.mark.parametrize("with_id", [True, False])
def test_the_sync_client_uses_an_agent_token(server, api, admin, with_id):
    agent = made(api, admin)
    settings = {"agent_id": agent["id"]} if with_id else {}
    with UssoClient(agent_private_key=agent["private_key"], usso_base_url=server.url, **settings) as client:
        check(server, agent, client.use_agent_token(scopes=["read:users"], aud="reports"))
        assert client.get_users()
        # A fresh token each time: the server accepts none twice.
        check(server, agent, client.use_agent_token(scopes=[], aud="reports", tenant_id="org_default"))


@pytest.mark.parametrize("with_id", [True, False])
def test_the_async_client_uses_an_agent_token(server, api, admin, with_id):
    agent = made(api, admin)
    settings = {"agent_id": agent["id"]} if with_id else {}

    async def use() -> str:
        async with AsyncUssoClient(
            agent_private_key=agent["private_key"], usso_base_url=server.url, **settings
        ) as client:
            return await client.use_agent_token(scopes=["read:users"], aud="reports")

    check(server, agent, asyncio.run(use()))


def test_an_agent_that_is_switched_off_gets_nothing(server, api, admin):
    agent = made(api, admin)
    answer = api.http.patch(f"/agents/{agent['id']}", json={"is_active": False}, headers=admin)
    assert answer.status_code == 200
    with (
        UssoClient(agent_private_key=agent["private_key"], usso_base_url=server.url) as client,
        pytest.raises(httpx.HTTPStatusError),
    ):
        client.use_agent_token(scopes=[], aud="reports", tenant_id="org_default")


def test_a_service_registers_itself_and_signs_in(server, api, admin):
    def key() -> str:
        body = {"scopes": ["read:users"]}
        answer = api.http.post("/agents/registration-keys", json=body, headers=admin)
        assert answer.status_code == 201
        return answer.json()["registration_key"]

    once = key()
    agent = register_agent(once, name="Media", scopes=["read:users", "delete:users"])
    with UssoClient(agent_private_key=agent["private_key"], usso_base_url=server.url) as client:
        check(server, agent, client.use_agent_token(scopes=["read:users"], aud="reports"))
    with pytest.raises(httpx.HTTPStatusError):
        register_agent(once, name="Media", scopes=[])
    other = asyncio.run(register_agent_async(key(), name="Media", scopes=["read:users"], base_url=server.url))
    assert other["scopes"] == ["read:users"]
    assert other["id"] != agent["id"]

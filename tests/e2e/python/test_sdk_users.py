"""Administration by the unmodified SDK: with a refresh token and with an API key, sync and async."""

import asyncio
import itertools

import httpx
import pytest
from conftest import PASSWORD
from harness import SYSTEM_PASSWORD
from usso import AsyncUssoClient, UssoClient
from usso.enums import AuthIdentifier

serial = itertools.count()


@pytest.fixture(scope="module")
def credentials(api):
    """How an administrator's program may present itself."""
    signed_in = api.login("admin", SYSTEM_PASSWORD, refresh_token_rotation=False)
    headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
    key = api.http.post("/apikeys", json={"name": "administration"}, headers=headers)
    assert key.status_code == 201, key.text
    return {"refresh_token": signed_in["refresh_token"], "api_key": key.json()["api_key"]}


@pytest.fixture(params=["refresh_token", "api_key"])
def credential(request, credentials):
    return {request.param: credentials[request.param]}


def test_the_client_administers_users(server, api, credential):
    name = f"made-{next(serial)}"
    with UssoClient(usso_base_url=server.url, **credential) as client:
        made = client.create_users({"identifier": f"{name}@example.com", "name": name, "password": PASSWORD})
        assert (made.name, made.tenant_id, made.is_deleted) == (name, "org_default", False)
        assert [i.identifier for i in made.identifiers] == [f"{name}@example.com"]
        assert made.credential_methods == ["password"]
        found = client.get_users({"search": name})
        assert [user.uid for user in found] == [made.uid]
        assert len(client.get_users({"limit": 100})) >= 2

        added = client.add_identifier(made.uid, AuthIdentifier.username, name)
        assert (added["type"], added["identifier"]) == ("username", name)
        profile = client.get_profile(made.uid)
        assert (profile["user_id"], profile["profile_data"]) == (made.uid, {})
    assert api.login(name)["user"]["id"] == made.uid


def test_the_async_client_administers_users(server, credential):
    name = f"made-{next(serial)}"

    async def use():
        async with AsyncUssoClient(usso_base_url=server.url, **credential) as client:
            made = await client.create_users({"identifier": f"{name}@example.com", "name": name})
            return made, await client.get_users({"search": name})

    made, found = asyncio.run(use())
    assert [user.uid for user in found] == [made.uid]


def test_an_ordinary_user_administers_nobody(server, api):
    token = api.login("ordinary@example.com", register=True)["refresh_token"]
    with UssoClient(usso_base_url=server.url, refresh_token=token) as client:
        with pytest.raises(httpx.HTTPStatusError) as refused:
            client.get_users()
        assert refused.value.response.status_code == 403

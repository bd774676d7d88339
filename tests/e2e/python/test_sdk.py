"""The unmodified SDK from PyPI against the running server."""

import asyncio
import base64
import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys
import threading

import httpx
import pytest
from harness import TIMEOUT, environment
from usso import AsyncUssoClient, AuthConfig, USSOException, UssoAuth, UssoClient

HERE = pathlib.Path(__file__).parent


def auth(server) -> UssoAuth:
    return UssoAuth(jwt_config=AuthConfig(jwks_url=f"{server.url}/.well-known/jwks.json"))


def generation(refresh_token: str) -> int:
    """The `g` claim of a refresh token (ruling D2)."""
    payload = refresh_token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["g"]


def test_the_package_is_the_published_one():
    assert importlib.metadata.version("usso") == "0.33.5"


def test_usso_auth_verifies_an_access_token(server, api):
    signed_in = api.login("verify@example.com", register=True)
    user = auth(server).user_data_from_token(signed_in["access_token"])
    assert user.uid == signed_in["user"]["id"]
    assert user.tenant_id == "org_default"


def test_usso_auth_verifies_the_issuer_it_is_told(server, api):
    token = api.login("issuer@example.com", register=True)["access_token"]
    url = f"{server.url}/.well-known/jwks.json"
    right = UssoAuth(jwt_config={"jwks_url": url, "issuer": server.url})
    wrong = UssoAuth(jwt_config={"jwks_url": url, "issuer": "https://elsewhere.example"})
    assert right.user_data_from_token(token)
    with pytest.raises(USSOException):
        wrong.user_data_from_token(token)


def test_usso_auth_refuses_a_refresh_token(server, api):
    token = api.login("refused@example.com", register=True)["refresh_token"]
    with pytest.raises(USSOException):
        auth(server).user_data_from_token(token)


def test_usso_auth_refuses_a_changed_token(server, api):
    head, payload, signature = api.login("changed@example.com", register=True)["access_token"].split(".")
    other = "A" if signature[5] != "A" else "B"
    with pytest.raises(USSOException):
        auth(server).user_data_from_token(f"{head}.{payload}.{signature[:5]}{other}{signature[6:]}")


def test_usso_auth_refuses_another_tenants_token(server, api, acme):
    token = api.login("owner@acme.test", tenant=acme)["access_token"]
    with pytest.raises(USSOException):
        auth(server).user_data_from_token(token)
    own = UssoAuth(jwt_config={"jwks_url": f"{server.url}/.well-known/jwks.json?tenant_id={acme}"})
    assert own.user_data_from_token(token).tenant_id == acme
    path = UssoAuth(jwt_config={"jwks_url": f"{server.url}/t/{acme}/.well-known/jwks.json"})
    assert path.user_data_from_token(token).tenant_id == acme
    # The server itself refuses it too.
    assert api.get("/me", token).status_code == 401
    assert api.get("/me", token, **{"X-Tenant-ID": acme}).status_code == 200


def test_from_usso_base_url_finds_the_keys_by_the_issuer(server, api):
    token = api.login("base@example.com", register=True)["access_token"]
    found = UssoAuth(jwt_config={"jwks_url": "http://localhost:1/none"}, from_usso_base_url=server.url)
    assert found.user_data_from_token(token).tenant_id == "org_default"


def test_the_sync_client_starts_three_times_with_the_same_token(server, api):
    signed_in = api.login("sync@example.com", register=True)
    for _ in range(3):
        with UssoClient(refresh_token=signed_in["refresh_token"], usso_base_url=server.url) as client:
            assert client.get("/api/sso/v1/me").json()["sub"] == signed_in["sub"]
    # Three presentations of one token are one step of the generation.
    assert api.get("/me", signed_in["access_token"]).status_code == 200


def test_the_async_client_refreshes_twice(server, api):
    signed_in = api.login("async@example.com", register=True)

    async def use() -> list[int]:
        async with AsyncUssoClient(refresh_token=signed_in["refresh_token"], usso_base_url=server.url) as client:
            seen = [generation(str(client._refresh_token))]
            for _ in range(2):
                await client._refresh()
                seen.append(generation(str(client._refresh_token)))
            assert client.refresh_token is not None, "the SDK verifies refresh tokens by the key set"
            assert (await client.get("/api/sso/v1/me")).json()["sub"] == signed_in["sub"]
            return seen

    first = generation(signed_in["refresh_token"])
    assert asyncio.run(use()) == [first + 1, first + 2, first + 3]


def test_a_non_rotating_session_survives_ten_process_restarts(server, api):
    signed_in = api.login("service@example.com", register=True, refresh_token_rotation=False)
    env = environment(USSO_REFRESH_TOKEN=signed_in["refresh_token"], USSO_BASE_URL=server.url)
    for _ in range(10):
        done = subprocess.run(
            [sys.executable, HERE / "restart.py"], env=env, text=True, capture_output=True, timeout=TIMEOUT, check=False
        )
        assert done.returncode == 0, done.stderr.replace(signed_in["refresh_token"], "<token>")
        assert done.stdout.strip() == signed_in["sub"]


def test_a_rotating_session_ends_when_an_old_token_comes_back(server, api):
    """Why the guide says `refresh_token_rotation: false` for tokens in an environment variable (ruling D2)."""
    signed_in = api.login("replay@example.com", register=True)
    tokens = [signed_in["refresh_token"]]
    for _ in range(3):
        tokens.append(api.http.post("/auth/refresh", json={"refresh_token": tokens[-1]}).json()["refresh_token"])
    answer = api.http.post("/auth/refresh", json={"refresh_token": tokens[0]})
    assert (answer.status_code, answer.json()["code"]) == (401, "REFRESH_TOKEN_REUSED")
    assert api.http.post("/auth/refresh", json={"refresh_token": tokens[-1]}).status_code == 401


def api_key(api, name: str) -> dict:
    """A user of this name, and an API key of theirs."""
    signed_in = api.login(name, register=True)
    headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
    made = httpx.post(f"{api.server.api}/apikeys", json={"name": name}, headers=headers, timeout=30, trust_env=False)
    assert made.status_code == 201, made.status_code
    return made.json() | {"headers": headers}


def by_api_key(server) -> UssoAuth:
    verify = {"verify_endpoint": f"{server.api}/apikeys/verify"}
    return UssoAuth(jwt_config={"jwks_url": f"{server.url}/.well-known/jwks.json", "api_key_header": verify})


def test_usso_auth_verifies_an_api_key(server, api):
    key = api_key(api, "key-verify@example.com")
    user = by_api_key(server).user_data_from_api_key(key["api_key"])
    assert (user.uid, user.tenant_id, user.amr) == (key["user_id"], "org_default", ["api_key"])
    user = asyncio.run(by_api_key(server).user_data_from_api_key_async(key["api_key"]))
    assert user.uid == key["user_id"]


def test_usso_auth_refuses_an_ended_and_an_unknown_api_key(server, api):
    key = api_key(api, "key-ended@example.com")
    ended = httpx.delete(f"{api.server.api}/apikeys/{key['id']}", headers=key["headers"], timeout=30, trust_env=False)
    assert ended.status_code == 200
    for secret in (key["api_key"], "usso_sk_nobodys"):
        with pytest.raises(USSOException):
            by_api_key(server).user_data_from_api_key(secret)


def test_the_clients_act_by_an_api_key(server, api):
    key = api_key(api, "key-client@example.com")
    with UssoClient(api_key=key["api_key"], usso_base_url=server.url) as client:
        assert client.get("/api/sso/v1/me").json()["sub"] == key["user_id"]

    async def use() -> str:
        async with AsyncUssoClient(api_key=key["api_key"], usso_base_url=server.url) as client:
            return (await client.get("/api/sso/v1/me")).json()["sub"]

    assert asyncio.run(use()) == key["user_id"]


@pytest.fixture(scope="module")
def application(server):
    """The guide's application under uvicorn, as a process; its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "app:app", "--port", "0", "--app-dir", str(HERE)],
        env=environment(USSO_URL=server.url),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        for line in process.stderr:
            if found := re.search(r"running on (http://\S+)", line):
                break
        else:
            raise RuntimeError("the application did not start")
        # Keep reading, so that the pipe never fills.
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        yield found[1]
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def test_an_application_is_reached_by_header(api, application):
    signed_in = api.login("header@example.com", register=True)
    answer = httpx.get(f"{application}/hello", headers={"Authorization": f"Bearer {signed_in['access_token']}"})
    assert (answer.status_code, answer.json()) == (200, {"user": signed_in["sub"], "tenant": "org_default"})


def test_an_application_is_reached_by_the_cookie_the_server_set(server, application):
    body = {"identifier": "cookie@example.com", "secret": "canary-Lantern-of-cactus-9!", "register": True}
    with httpx.Client(trust_env=False) as browser:
        signed_in = browser.post(f"{server.api}/auth/login", json=body)
        cookie = signed_in.cookies["usso-access-token"]
    answer = httpx.get(f"{application}/hello", cookies={"usso-access-token": cookie})
    assert (answer.status_code, answer.json()["user"]) == (200, signed_in.json()["sub"])


def test_an_application_refuses_without_a_token(application):
    assert httpx.get(f"{application}/hello").status_code == 401


def test_an_application_refuses_a_refresh_token(api, application):
    token = api.login("norefresh@example.com", register=True)["refresh_token"]
    assert httpx.get(f"{application}/hello", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_an_application_refuses_another_tenants_token(api, application, acme):
    token = api.login("owner@acme.test", tenant=acme)["access_token"]
    assert httpx.get(f"{application}/hello", headers={"Authorization": f"Bearer {token}"}).status_code == 401

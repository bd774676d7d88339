"""The audit log as somebody sees it who has an export, the key set and nothing else; and the scope catalog by the SDK."""

import asyncio
import json

from harness import SYSTEM_PASSWORD, run
from usso.scope_catalog import put_scope_catalog, register_scope_catalog, scopes_from_resource_paths

EVENTS = 1_001


def test_who_has_only_the_public_key_sees_whether_the_log_was_cut(server, api, tmp_path):
    headers = {"Authorization": f"Bearer {api.login('admin', SYSTEM_PASSWORD)['access_token']}"}
    role = api.http.post("/roles", json={"name": "Changed"}, headers=headers).json()["id"]
    for number in range(EVENTS):
        answer = api.http.patch(f"/roles/{role}", json={"description": str(number)}, headers=headers)
        assert answer.status_code == 200, answer.status_code
    # It is signed when the events are carried out, moments later.
    for _ in range(10_000):
        checkpoints = api.http.get("/audit/checkpoints", headers=headers).json()["items"]
        if checkpoints:
            break
    assert checkpoints[0]["sequence"] >= 1_000
    files = {name: tmp_path / name for name in ("whole", "cut", "kept", "keys")}
    files["keys"].write_text(api.http.get(f"{server.url}/.well-known/jwks.json").text)
    export = api.http.get("/audit/export", headers=headers).text
    files["whole"].write_text(export)
    lines = [json.loads(line) for line in export.splitlines()]
    events = [line for line in lines if "checkpoint" not in line]
    kept = [line for line in lines if "checkpoint" in line]
    assert len(kept) == len(checkpoints)

    def write(name, items):
        files[name].write_text("".join(json.dumps(item) + "\n" for item in items))

    def check(name):
        keys = ["--keys", str(files["keys"]), "--kept", str(files["kept"])]
        return run("audit", "check", str(files[name]), *keys, cwd=tmp_path)

    write("kept", kept)
    whole = check("whole")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert "has all that was signed" in whole.stdout
    write("cut", events[:500])
    cut = check("cut")
    assert cut.returncode == 1 and "the log was cut: it ends with 500" in cut.stdout, cut.stdout
    write("cut", events[:10] + events[11:])
    assert "event 11 is missing" in check("cut").stdout


def test_a_service_replaces_its_catalog_with_the_sdk(server, api):
    """With a token that is at hand."""
    token = api.login("admin", SYSTEM_PASSWORD)["access_token"]
    scopes = scopes_from_resource_paths(["media/media/files"], labels={"media/media/files": {"label": "Files"}})
    call = put_scope_catalog(usso_base_url=server.url, service="media", scopes=scopes, access_token=token)
    asyncio.run(call)
    shown = api.get("/scope-catalog/media", token).json()
    assert {entry["scope"] for entry in shown["scopes"]} == {"read:media/media/files", "manage:media/media/files"}


def test_a_service_registers_its_scopes_by_its_client_credentials(server, api):
    headers = {"Authorization": f"Bearer {api.login('admin', SYSTEM_PASSWORD)['access_token']}"}
    said = {"client_name": "Catalogue", "grant_types": ["client_credentials"], "redirect_uris": [],
            "token_endpoint_auth_method": "client_secret_post", "scope": "manage:scope-catalog"}
    made = api.http.post("/oauth/clients", json=said, headers=headers)
    assert made.status_code == 201, made.text
    client = made.json()

    def register(secret):
        scopes = scopes_from_resource_paths(["shop/orders/baskets"])
        call = register_scope_catalog(service="shop", scopes=scopes, usso_base_url=server.url,
                                      client_id=client["client_id"], client_secret=secret)
        return asyncio.run(call)

    assert register("not-the-secret") is False
    assert api.http.get("/scope-catalog/shop", headers=headers).status_code == 404
    assert register(client["client_secret"]) is True
    shown = api.http.get("/scope-catalog/shop", headers=headers).json()
    assert {entry["scope"] for entry in shown["scopes"]} == {"read:shop/orders/baskets", "manage:shop/orders/baskets"}

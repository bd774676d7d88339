"""The published Rust SDK, compiled with what it needs to verify tokens, does what the Python one does."""

import subprocess

import pytest
from harness import ROOT, SYSTEM_PASSWORD, environment

CRATE = ROOT / "tests/e2e/rust"
BUILT = ROOT / "target/rust-sdk"


@pytest.fixture(scope="module")
def program():
    """Compiled once; a minute from nothing."""
    command = ["cargo", "build", "--quiet", "--locked", "--manifest-path", str(CRATE / "Cargo.toml")]
    subprocess.run([*command, "--target-dir", str(BUILT)], check=True, timeout=1200)
    return BUILT / "debug/usso-e2e-rust"


def test_the_rust_sdk_administers_users_verifies_tokens_and_is_an_agent(server, api, program):
    signed_in = api.login("admin", SYSTEM_PASSWORD, refresh_token_rotation=False)
    headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
    key = api.http.post("/apikeys", json={"name": "rust"}, headers=headers).json()["api_key"]
    agent = api.http.post("/agents", json={"name": "Rust", "scopes": ["read:users"]}, headers=headers).json()
    settings = {
        "USSO_BASE_URL": server.url,
        "USSO_REFRESH_TOKEN": signed_in["refresh_token"],
        "USSO_API_KEY": key,
        "AGENT_ID": agent["id"],
        "AGENT_PRIVATE_KEY": agent["private_key"],
    }
    done = subprocess.run(
        [program], env=environment(**settings), capture_output=True, text=True, timeout=60, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if not line.startswith("ok ")] == []
    assert len(done.stdout.splitlines()) == 6

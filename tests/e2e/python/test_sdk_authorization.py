"""The published SDK decides about scopes as this server does, but where the server deliberately differs.

The vectors have a column for each. The SDK's is what the installed package answers; where it differs from ours, the guide
says so, word for word.
"""

import json
import pathlib

import pytest
from usso.authorization import broadest_scope_filter, check_access, get_common_scopes, is_subset_scope, owner_authorization

ROOT = pathlib.Path(__file__).resolve().parents[3]
VECTORS = json.loads((ROOT / "crates/protocol/tests/vectors/authz.json").read_text())
GUIDE = (ROOT / "docs/guide/permissions.md").read_text()


def name(vector: dict) -> str:
    """How the guide writes a case: what is held or wider, and what is asked or narrower."""
    if "action" in vector:
        attributes = "".join(f" {key}={value}" for key, value in vector["attrs"].items())
        return f"`{vector['scope']}` | {vector['action']} `{vector['path']}`{attributes}"
    return f"`{vector['parent']}` | grant `{vector['child']}`"


def yes_or_no(answer: bool) -> str:
    return "yes" if answer else "no"


@pytest.mark.parametrize("vector", VECTORS["access"], ids=name)
def test_access(vector):
    answer = check_access([vector["scope"]], vector["path"], vector["action"], filters=[vector["attrs"]])
    assert answer is vector["sdk"]


@pytest.mark.parametrize("vector", VECTORS["subset"], ids=name)
def test_subset(vector):
    assert is_subset_scope(subset_scope=vector["child"], super_scope=vector["parent"]) is vector["sdk"]


@pytest.mark.parametrize("vector", VECTORS["common"], ids=lambda v: f"{v['a']} {v['b']}")
def test_common(vector):
    answer = sorted(get_common_scopes(scopes_a=vector["a"], scopes_b=vector["b"]))
    assert answer == sorted(vector["sdk"]) == sorted(vector["ours"])


def test_the_guide_lists_every_difference_and_no_other():
    """A difference that nobody wrote down is a mistake; so is one that is gone."""
    differing = [v for v in VECTORS["access"] + VECTORS["subset"] if v["sdk"] != v["ours"]]
    wanted = {f"| {name(v)} | {yes_or_no(v['sdk'])} | {yes_or_no(v['ours'])} |" for v in differing}
    section = GUIDE.split("## Where the SDKs differ")[1].split("\n## ")[0]
    rows = {line[: line.rindex("|", 0, -2) + 1] for line in section.splitlines() if line.startswith("| `")}
    assert rows == wanted
    assert len(differing) == 12
    agreeing = len(VECTORS["access"]) + len(VECTORS["subset"]) + len(VECTORS["common"]) - len(differing)
    print(f"the SDK agrees on {agreeing} vectors and differs on {len(differing)}")


def test_two_filters_of_a_dict():
    """`check_access` takes the attributes of a dict one by one, so a scope with two filters never matches there."""
    both = {"tenant_id": "t", "user_id": "1"}
    assert not check_access(["read:users?tenant_id=t&user_id=1"], "sso/users", "read", filters=both)
    assert check_access(["read:users?tenant_id=t&user_id=1"], "sso/users", "read", filters=[both])
    assert not check_access(["*:*"], "sso/users", "read", filters={})


def test_ownership():
    """Contract 4.5: an owner's level is 90; a workspace's members see what carries it."""
    own = {"user_id": "1", "workspace_id": "w"}
    ask = lambda action, **who: owner_authorization(own, action=action, **who)  # noqa: E731
    assert ask("delete", user_id="1") and ask("admin", user_id="1")
    assert not ask("superadmin", user_id="1") and not ask("delete", user_id="2")
    member = {"user_id": "2", "workspace_id": "w", "workspace_action": "read"}
    assert ask("read", **member) and not ask("update", **member)
    assert not owner_authorization({}, user_id="1", action="read")


def test_broadest_filter():
    """What the SDK's applications list by: the fewest restrictions."""
    assert broadest_scope_filter([{"tenant_id": "t"}, {"user_id": "1"}]) == {"tenant_id": "t"}
    two = {"tenant_id": "t", "user_id": "1"}
    assert broadest_scope_filter([{"uid": "a"}, two]) == two
    assert broadest_scope_filter([{}, {"tenant_id": "t"}]) == {} == broadest_scope_filter([])

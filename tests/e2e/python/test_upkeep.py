"""Backup, restore, copy and rotation by the built binary, killed in the middle like any process may be."""

import base64
import random
import subprocess
import threading
import time

import httpx
from harness import BINARY, Server, environment, run

# The issuer must stay the same whatever port a server gets.
BASE_URL = "http://localhost"
SECRET = "canary-Fish-of-the-day-9!"
ROUNDS = 25


def register(server: Server, name: str) -> dict:
    body = {"identifier": f"{name}@example.com", "secret": SECRET}
    answer = httpx.post(f"{server.api}/auth/register", json=body, trust_env=False, timeout=30)
    assert answer.status_code == 201, answer.text
    return answer.json()


def status(server: Server, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{server.api}/me", headers=headers, trust_env=False, timeout=30).status_code


def start(directory, **env: str) -> Server:
    return Server(directory, BASE_URL=BASE_URL, **env)


def killed(*arguments: str, cwd, seconds: float, **env: str) -> bool:
    """Runs a sub-command and kills it after a while; whether it was quicker."""
    process = subprocess.Popen(
        [str(BINARY), *arguments],
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(30)
        return False


def duration(*arguments: str, cwd) -> float:
    """How many seconds a sub-command takes, so that it can be killed in the middle."""
    began = time.monotonic()
    done = run(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def test_a_backup_of_a_running_server_is_restored_elsewhere(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (target / "data").mkdir(parents=True)
    with start(source) as server:
        before = [register(server, f"before-{n}")["access_token"] for n in range(3)]
        stop = threading.Event()

        def writer(number: int) -> int:
            count = 0
            while not stop.is_set():
                register(server, f"during-{number}-{count}")
                count += 1
            return count

        threads = [threading.Thread(target=writer, args=[n]) for n in range(2)]
        for thread in threads:
            thread.start()
        done = run("backup", "../usso.backup", cwd=source)
        assert done.returncode == 0 and "master key is not inside" in done.stdout, done.stderr
        again = run("backup", "../usso.backup", cwd=source)
        assert again.returncode == 1 and "exists already" in again.stderr
        refused = run("restore", "../usso.backup", "--force", cwd=source)
        assert refused.returncode == 1 and "in use" in refused.stderr
        stop.set()
        for thread in threads:
            thread.join(30)
        assert server.stop()[0] == 0
    keyless = run("restore", "../usso.backup", cwd=target)
    assert keyless.returncode == 1 and "master.key is missing" in keyless.stderr
    (target / "data/master.key").write_bytes((source / "data/master.key").read_bytes())
    done = run("restore", "../usso.backup", cwd=target)
    assert done.returncode == 0, done.stderr
    with start(target) as server:
        assert [status(server, token) for token in before] == [200, 200, 200]


def test_a_rotation_killed_again_and_again_is_finished_by_running_it_again(tmp_path):
    with start(tmp_path) as server:
        token = register(server, "alice")["access_token"]
        assert server.stop()[0] == 0
    first = (tmp_path / "data/master.key").read_text()
    dice = random.Random(3)
    limit = duration("master-key", "rotate", cwd=tmp_path) * 1.2
    finished = sum(
        killed("master-key", "rotate", cwd=tmp_path, seconds=dice.uniform(0.001, limit)) for _ in range(ROUNDS)
    )
    print(f"rotations killed: {ROUNDS - finished}, finished: {finished}")
    done = run("master-key", "rotate", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = sorted(path.name for path in (tmp_path / "data").iterdir() if path.name.startswith("master"))
    assert files == ["master.key"]
    assert (tmp_path / "data/master.key").read_text() != first
    refused = run("serve", "--port", "0", cwd=tmp_path, MASTER_KEY=first.strip())
    assert refused.returncode == 1 and "MASTER_KEY is not the key" in refused.stderr
    with start(tmp_path) as server:
        assert status(server, token) == 200


def test_a_configured_key_is_replaced_by_one_from_a_file_and_by_no_other(tmp_path):
    old, given = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    with start(tmp_path, MASTER_KEY=old) as server:
        token = register(server, "alice")["access_token"]
        assert server.stop()[0] == 0
    (tmp_path / "new.key").write_text(given + "\n")
    (tmp_path / "new.key").chmod(0o600)
    done = run("master-key", "rotate", "--new-key-file", "new.key", cwd=tmp_path, MASTER_KEY=old)
    assert done.returncode == 0 and given not in done.stdout + done.stderr, done.stderr
    for generate in [["--generate"], []]:
        refused = run("master-key", "rotate", *generate, cwd=tmp_path, MASTER_KEY=given)
        assert refused.returncode == 1 and "--new-key-file" in refused.stderr, refused.stderr
    assert not any(path.name.startswith("master") for path in (tmp_path / "data").iterdir())
    with start(tmp_path, MASTER_KEY=given) as server:
        assert status(server, token) == 200


def test_a_copy_killed_again_and_again_is_finished_by_running_it_again(tmp_path):
    with start(tmp_path) as server:
        tokens = [register(server, f"user-{n}")["access_token"] for n in range(5)]
        assert server.stop()[0] == 0
    target = tmp_path / "target"
    target.mkdir()
    (target / "master.key").write_bytes((tmp_path / "data/master.key").read_bytes())
    command = ["storage", "copy", "--from", "sqlite:data/usso.db", "--to"]
    limit = duration(*command, "sqlite:other.db", cwd=tmp_path)
    command.append("sqlite:target/usso.db")
    dice = random.Random(4)
    finished = sum(killed(*command, cwd=tmp_path, seconds=dice.uniform(0.001, limit)) for _ in range(ROUNDS))
    print(f"copies killed: {ROUNDS - finished}, finished: {finished}")
    done = run(*command, cwd=tmp_path)
    assert done.returncode == 0 and "DIFFERS" not in done.stdout, done.stderr
    with start(tmp_path, DATA_DIR="target") as server:
        assert [status(server, token) for token in tokens] == [200] * 5


def test_no_password_of_a_url_is_ever_shown(tmp_path):
    (tmp_path / "data").mkdir()
    for url in ("postgres://usso:canary-geheim@127.0.0.1:1/usso", "mysql://usso:canary-geheim@127.0.0.1/usso"):
        for flags in (["--to", url], ["--from", url, "--to", "sqlite:x.db"], ["--to", url, "--fro", url]):
            done = run("storage", "copy", *flags, cwd=tmp_path)
            assert done.returncode != 0
            assert "canary-geheim" not in done.stdout + done.stderr

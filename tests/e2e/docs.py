#!/usr/bin/env python3
"""Runs the commands of README.md and docs/guide/*.md verbatim, compares what they print, and follows their links.

    tests/e2e/docs.py [FILE...]

A fenced block counts by the words after its three backticks:

    ```sh            run in one bash per page; every command must succeed, every HTTP answer must be below 400
    ```sh server     run in the background, until something answers on its port; a later one on the same port replaces it
    ```sh refused    run, and must fail
    ```sh example    not run (it needs another machine, or is not for this one); listed at the end
    ```json, ```text after a run block: what it printed; `…` stands for anything
    ```python NAME   written to the file NAME

Every page starts in an empty directory with nothing running on port 8000. Where the system allows it, that is a network
namespace of its own. `cargo run --release` means `$USSO_BIN` (default `target/release/usso`), which is its result.
"""

import argparse
import ctypes
import fcntl
import os
import pathlib
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from harness import BINARY, LOGS, ROOT, TIMEOUT, environment

FENCE = re.compile(r"^```(\S*)[ ]?(.*?)\n(.*?)^```$", re.M | re.S)
VENV = ROOT / "target/venv"
CARGO = """#!/bin/sh
# `cargo run --release -- ARGUMENTS` in a test of the documents.
[ "$1 $2" = "run --release" ] || { echo "unexpected: cargo $*" >&2; exit 1; }
shift 2
[ "${1:-}" != -- ] || shift
exec "$USSO_BIN" "$@"
"""


class DocumentError(Exception):
    """A command of a page did not do what the page says."""


def private_network() -> bool:
    """Moves to an empty network namespace with a loopback interface. False where that isn't allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000) != 0:
        return False
    with socket.socket() as control:
        request = struct.pack("16sh22x", b"lo", 0x1 | 0x40)
        fcntl.ioctl(control, 0x8914, request)
    return True


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Page:
    """One page: its directory, its shell and the servers it started."""

    def __init__(self, path: pathlib.Path, directory: pathlib.Path):
        self.path = path
        self.directory = directory
        self.servers: dict[int, subprocess.Popen] = {}
        self.counts = {"run": 0, "checked": 0, "not run": 0}
        home, bin_directory = directory / "home", directory / "bin"
        for made in (home, bin_directory, directory / "work"):
            made.mkdir()
        # What fails must fail the command, as the reader would notice it.
        (home / ".curlrc").write_text("fail-with-body\nmax-time = 30\n")
        (bin_directory / "cargo").write_text(CARGO)
        (bin_directory / "cargo").chmod(0o755)
        self.env = environment(
            HOME=str(home), PATH=f"{bin_directory}:{VENV}/bin:{os.environ['PATH']}", USSO_BIN=str(BINARY)
        )
        self.shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=directory / "work",
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, code: str, must_fail: bool = False) -> str:
        block = self.directory / "block.sh"
        block.write_text(code)
        guarded = f"set -o pipefail; set -e; . {block}; set +e"
        if must_fail:
            guarded = f"( set -eo pipefail; . {block} ); [ $? -ne 0 ] || exit 9"
        self.shell.stdin.write(f"{guarded}; echo; echo @@done@@\n")
        self.shell.stdin.flush()
        printed = []
        for line in self.shell.stdout:
            if line == "@@done@@\n":
                return "".join(printed).rstrip("\n")
            printed.append(line)
        raise DocumentError(f"the command {'succeeded' if must_fail else 'failed'}:\n{code}--- printed:\n{''.join(printed)}")

    def serve(self, code: str) -> None:
        found = re.search(r"--port[ =](\d+)", code)
        port = int(found[1]) if found else 8000
        self.stop(port)
        if answers(port):
            raise DocumentError(f"port {port} is taken by another program: stop it and run the documents again")
        # The shell's variables count, as they would in the reader's terminal.
        exported = self.run("declare -p | grep -v -- '^declare -[a-z]*[rA]' > ../variables")
        assert exported == ""
        log_path = LOGS / f"docs-{os.getpid()}-{self.path.stem}-{port}-{len(os.listdir(LOGS))}.log"
        script = f". ../variables 2>/dev/null; {code}"
        with log_path.open("w") as log, (self.directory / f"stdout-{port}").open("w") as out:
            process = subprocess.Popen(
                ["bash", "-c", script],
                cwd=self.directory / "work",
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )
        self.servers[port] = process
        # USSO says that it is ready. A program of the page's own says it in no common way; its port does.
        is_usso = "cargo run --release" in code
        limit = time.monotonic() + TIMEOUT
        while not answers(port) or (is_usso and " ready " not in log_path.read_text()):
            if process.poll() is not None or time.monotonic() > limit:
                raise DocumentError(f"nothing answers on port {port} after:\n{code}{log_path.read_text()}")
            time.sleep(0.02)

    def stop(self, port: int) -> None:
        """What Ctrl-C does."""
        process = self.servers.pop(port, None)
        if process and process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(TIMEOUT)

    def close(self) -> None:
        for port in list(self.servers):
            self.stop(port)
        self.shell.kill()
        self.shell.wait()


def matches(expected: str, printed: str) -> bool:
    """Whether the text is as expected, `…` standing for anything."""
    parts = [re.escape(part) for part in expected.strip().split("…")]
    return re.fullmatch(".*?".join(parts), printed.strip(), re.S) is not None


def check(path: pathlib.Path) -> dict[str, int]:
    with tempfile.TemporaryDirectory(prefix="usso-docs-") as directory:
        page = Page(path, pathlib.Path(directory))
        printed: str | None = None
        try:
            for language, info, body in FENCE.findall(path.read_text()):
                words = shlex.split(info)
                kind = words[0] if words else ""
                if language == "sh" and kind == "example":
                    page.counts["not run"] += 1
                    printed = None
                elif language == "sh" and kind == "server":
                    page.serve(body)
                    page.counts["run"] += 1
                    printed = None
                elif language == "sh":
                    printed = page.run(body, must_fail=kind == "refused")
                    page.counts["run"] += 1
                elif language in ("json", "text") and printed is not None:
                    if not matches(body, printed):
                        raise DocumentError(f"expected:\n{body}--- printed:\n{printed}")
                    page.counts["checked"] += 1
                    printed = None
                elif language == "python" and kind:
                    (page.directory / "work" / kind).write_text(body)
        except DocumentError as error:
            raise DocumentError(f"{path.relative_to(ROOT)}: {error}") from None
        finally:
            page.close()
        return page.counts


def dead_links() -> list[str]:
    """Links between the documents that lead nowhere, headings included."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    dead = []
    for page in pages:
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            name, _, heading = link.partition("#")
            target = page.parent / name if name else page
            if "://" in link:
                continue
            if not target.exists():
                dead.append(f"{page.relative_to(ROOT)}: {link}")
            elif heading:
                titles = re.findall(r"^#+ (.*)$", target.read_text(), re.M)
                if heading not in {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}:
                    dead.append(f"{page.relative_to(ROOT)}: {link}")
    return dead


def self_test() -> None:
    assert matches('{"a":"…"}\n', '{"a":"b"}')
    assert not matches('{"a":"…"}', '{"b":"b"}')


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the commands of the documents")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    given = parser.parse_args().files
    files = given or [ROOT / "README.md", *sorted((ROOT / "docs/guide").glob("*.md"))]
    self_test()
    if not given and (dead := dead_links()):
        print("dead links:", *dead, sep="\n", file=sys.stderr)
        return 1
    LOGS.mkdir(parents=True, exist_ok=True)
    print("documents:", "in a network of their own" if private_network() else "on this machine's network")
    total = 0
    for path in files:
        try:
            counts = check(path.resolve())
        except DocumentError as error:
            print(error, file=sys.stderr)
            return 1
        total += counts["run"]
        print(f"{path.resolve().relative_to(ROOT)}: {', '.join(f'{n} {what}' for what, n in counts.items())}")
    if not given and total < 40:
        print(f"documents: only {total} commands found: the fences are not understood", file=sys.stderr)
        return 1
    print(f"documents: {total} blocks ran as written")
    return 0


if __name__ == "__main__":
    sys.exit(main())

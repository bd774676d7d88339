"""Runs the built binary as a process, as an operator would, and keeps what it logs for the canary search.

The binary is `$USSO_BIN`, by default `target/release/usso`. Logs of every process go to `target/e2e/logs/`; nothing
is waited for by sleeping: the ready line, the end of the process and the answers are the events.
"""

import os
import pathlib
import queue
import re
import signal
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("USSO_BIN", ROOT / "target/release/usso")).resolve()
LOGS = pathlib.Path(os.environ.get("USSO_E2E_LOGS", ROOT / "target/e2e/logs"))
SYSTEM_PASSWORD = "canary-System-of-walnuts-7!"
TIMEOUT = 30


def environment(**extra: str) -> dict[str, str]:
    """The environment of this process without anything that configures a server or a client."""
    names = {"PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE"}
    return {k: v for k, v in os.environ.items() if k in names} | extra


def run(*arguments: str, cwd: pathlib.Path, stdin: str = "", **env: str) -> subprocess.CompletedProcess:
    """Runs a sub-command to its end."""
    return subprocess.run(
        [str(BINARY), *arguments],
        cwd=cwd,
        env=environment(**env),
        input=stdin,
        text=True,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )


class Server:
    """A server process on a free port. `with Server(directory) as server:`"""

    count = 0

    def __init__(self, directory: pathlib.Path, *arguments: str, system_password: str | None = SYSTEM_PASSWORD, **env: str):
        LOGS.mkdir(parents=True, exist_ok=True)
        Server.count += 1
        self.log_path = LOGS / f"server-{os.getpid()}-{Server.count}.log"
        self.lines: list[str] = []
        self._more = threading.Condition()
        settings = {"PORT": "0", "USSO__LOG__LEVEL": "info,usso=trace", "USSO__LOG__ACCESS": "1"} | env
        if system_password is not None:
            settings["SYSTEM_PASSWORD"] = system_password
        self.process = subprocess.Popen(
            [str(BINARY), *arguments],
            cwd=directory,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._ready: queue.Queue[int] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = self._ready.get(timeout=TIMEOUT)
        if self.port == 0:
            raise RuntimeError(f"the server did not start: {''.join(self.lines)}")
        self.url = f"http://localhost:{self.port}"
        self.api = f"{self.url}/api/sso/v1"

    def _read(self) -> None:
        with self.log_path.open("w") as log:
            for line in self.process.stderr:
                log.write(line)
                log.flush()
                with self._more:
                    self.lines.append(line)
                    self._more.notify_all()
                plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
                if found := re.search(r"\bready\b.*\bport=(\d+)", plain):
                    self._ready.put(int(found[1]))
        self._ready.put(0)

    def wait_for_log(self, word: str) -> None:
        """Returns once a line of the log has the word."""
        with self._more:
            if not self._more.wait_for(lambda: any(word in line for line in self.lines), TIMEOUT):
                raise TimeoutError(f"the log never said {word!r}")

    def stop(self) -> tuple[int, str]:
        """SIGTERM, then the exit code and what went to the standard output."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        """The exit code and what went to the standard output."""
        code = self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        return code, self.process.stdout.read()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(TIMEOUT)
            self._reader.join(TIMEOUT)
        self.process.stdout.close()

"""No connection leaves the machine: every system call of the real commands is watched."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

STRACE = shutil.which("strace")
pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")

# sin_addr=inet_addr("127.0.0.1"), or inet_pton(AF_INET6, "::1", ...)
_ADDRESS = re.compile(r'connect\(.*?(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")')
_LOCAL = re.compile(r"127\.|::1$|::ffff:127\.")
_PORT = 7871


def watched(log: Path, *arguments: str) -> list[str]:
    assert STRACE is not None
    return [STRACE, "-f", "-e", "trace=connect", "-o", str(log), sys.executable, "-m", "assistant", *arguments]


def addresses_outside(log: Path) -> list[str]:
    found = [one or other for one, other in _ADDRESS.findall(log.read_text(encoding="utf-8", errors="replace"))]
    return [address for address in found if not _LOCAL.match(address)]


@pytest.fixture
def environment(tmp_path: Path, corpus: Path) -> dict[str, str]:
    return {**os.environ, "JIEBEI_CORPUS": str(corpus), "JIEBEI_INDEX_DIR": str(tmp_path / "index"), "HOME": str(tmp_path)}


def test_indexing_and_asking_stay_on_this_machine(tmp_path: Path, environment: dict[str, str]) -> None:
    for number, arguments in enumerate([("index",), ("ask", "借呗额度为什么没有了"), ("doctor",)]):
        log = tmp_path / f"{number}.log"
        subprocess.run(watched(log, *arguments), env=environment, capture_output=True, check=True)
        assert addresses_outside(log) == []


def test_serving_stays_on_this_machine(tmp_path: Path, environment: dict[str, str]) -> None:
    log = tmp_path / "serve.log"
    command, quiet = watched(log, "serve", "--port", str(_PORT)), subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True) as server:
        try:
            body = b'{"question": "\\u501f\\u5457\\u989d\\u5ea6\\u4e3a\\u4ec0\\u4e48\\u6ca1\\u6709\\u4e86"}'
            request = urllib.request.Request(f"http://127.0.0.1:{_PORT}/v1/ask", body, {"content-type": "application/json"})
            for _ in range(120):
                try:
                    with urllib.request.urlopen(request, timeout=5) as response:
                        assert response.status == 200
                    break
                except OSError:
                    time.sleep(0.5)
            else:
                pytest.fail("the server did not come up")
        finally:
            os.killpg(server.pid, signal.SIGTERM)
    assert addresses_outside(log) == []


def test_the_watcher_would_notice(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    script = "import socket\ns = socket.socket()\ns.setblocking(False)\ntry:\n s.connect(('192.0.2.1', 9))\nexcept OSError: pass"
    assert STRACE is not None
    subprocess.run([STRACE, "-f", "-e", "trace=connect", "-o", str(log), sys.executable, "-c", script], check=True)
    assert addresses_outside(log) == ["192.0.2.1"]

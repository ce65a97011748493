"""What holds for the whole tree: light imports, silent imports, imports that point one way."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

_IMPORT = """
import socket, sys
def refuse(*_, **__): raise AssertionError("a socket was opened")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
import assistant, knowledge, evals
names = ["torch", "gradio", "chromadb", "sentence_transformers", "transformers", "onnxruntime", "langchain", "fastapi"]
heavy = set(names) & set(sys.modules)
print(",".join(sorted(heavy)))
"""


def test_importing_the_packages_is_light_and_silent() -> None:
    child = subprocess.run([sys.executable, "-W", "error", "-c", _IMPORT], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (child.returncode, child.stdout, child.stderr) == (0, "\n", "")


def test_imports_point_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    child = subprocess.run([linter, "--no-cache"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert child.returncode == 0, child.stdout

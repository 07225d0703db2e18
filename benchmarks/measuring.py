"""What measurements of memory have in common: each number is taken in a process of its own."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["missed", "peak"]


def peak() -> float:
    """Megabytes that this process has held at most."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def missed(module: str, counts: Iterable[int]) -> list[int]:
    """The counts for which ``python -m MODULE --one COUNT`` did not reach its goal."""
    argv = [sys.executable, "-m", module, "--one"]
    return [count for count in counts if subprocess.run([*argv, str(count)], check=False).returncode]

"""The workstation on which eksctl anywhere is run: what the real reads print there, and what mirrors show it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from checks.eks_anywhere.facts_workstation import eksa_mirrors, eksa_variables
from tests.hazards.worlds import Machine

__all__ = ["NOW", "key_of", "mirror", "mirrors", "printed", "station", "variables"]

READS = {"variables": eksa_variables, "mirrors": eksa_mirrors}
DEFAULTS = {"eksa-directory": "~", "eksa-registry-mirrors": ""}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _bound(read: str, **parameters: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in parameters.items()}
    return READS[read].sources[0].bind({**DEFAULTS, **given})


def key_of(read: str, **parameters: str) -> str:
    """The key of one of the reads, its parameters filled in."""
    return str(_bound(read, **parameters).key)


def printed(
    read: str, home: Path, shell: str = "/bin/sh", env: Mapping[str, str] | None = None, **parameters: str
) -> str:
    """What a read prints for a user with this home and these variables."""
    whole = {"HOME": str(home), "LC_ALL": "C", "PATH": os.environ["PATH"], **(env or {})}
    text = _bound(read, **parameters).line
    done = subprocess.run(
        [*shell.split(), "-c", text], env=whole, capture_output=True, text=True, check=False, cwd="/", timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def variables(files: Mapping[str, str | None] | None = None, **environment: str) -> str:
    """What is printed of a user with these files (None is a folder) and variables; HOME stands for the home in these."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        for name, text in (files or {}).items():
            path = home / name
            if text is None:
                path.mkdir()
            else:
                path.write_text(text, encoding="utf-8")
        env = {name: value.replace("HOME", str(home)) for name, value in environment.items()}
        return printed("variables", home, env=env).replace(str(home), "/home/ops")


def mirror(
    endpoint: str, *chain: bytes, verify: str = "20 (unable to get local issuer certificate)", said: str = ""
) -> str:
    """What is printed of one mirror that shows these certificates."""
    told = f"mirror {endpoint}\nstatus {0 if chain else 1}\n"
    told += "".join(one.decode() for one in chain)
    told += f"verify Verify return code: {verify}\n" if chain and verify else ""
    return told + (f"said {said}\n" if said else "")


def mirrors(*told: str, at: datetime = NOW, refused: str = "") -> str:
    """What is printed of all mirrors, by the workstation's clock."""
    head = f"now {int(at.timestamp())}\ndirectory /home/ops\n" + (f"refused {refused}\n" if refused else "")
    return head + "".join(told)


def station(
    text: str = "",
    *,
    mirrors: str = "",
    broken: Iterable[tuple[str, str]] = (),
    parameters: Mapping[str, str] | None = None,
) -> Machine:
    """The workstation: what its two reads print, and which of them end with a problem."""
    given = dict(parameters or {})
    own = {name.replace("-", "_"): value for name, value in given.items() if name in DEFAULTS}
    first = {name: value for name, value in own.items() if name == "eksa_directory"}
    keys = {"variables": key_of("variables", **first), "mirrors": key_of("mirrors", **own)}
    says = {keys["variables"]: text or variables(), keys["mirrors"]: mirrors}
    return Machine(roles=("workstation",), says=says, broken={keys[read]: kind for read, kind in broken})

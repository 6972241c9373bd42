"""`sorter push` and `sorter pull` from a workstation to the machine's own sshd, with the forced command of docs/fleet.md."""

from __future__ import annotations

import subprocess

from pi.conftest import Proven
from support.pi.machine import Machine
from support.pi.service.serving import Workstation, ssh_config


def test_the_account_can_do_nothing_else(machine: Machine, place: Workstation, proven: Proven) -> None:
    config = ssh_config(machine, place)

    def ssh(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["ssh", "-F", str(config), "-o", "BatchMode=yes", *words]
        return subprocess.run(command, input="", capture_output=True, text=True, timeout=120, check=False)

    assert "uid=" not in ssh("sorter@line-1", "id").stdout
    assert "PTY allocation request failed" in ssh("-tt", "sorter@line-1").stderr
    forward = ssh("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22", "sorter@line-1")
    assert forward.returncode != 0
    listed = subprocess.run(
        ["sftp", "-F", str(config), "-b", "-", "sorter@line-1"], input="ls /\n", capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert listed.returncode != 0
    assert "etc" not in listed.stdout
    proven(
        "The account that receives models gets no shell, no terminal, no forwarding and no files on Debian 13's sshd."
    )

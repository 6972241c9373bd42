"""`sorter push` and `sorter pull` from a workstation to the machine's own sshd, with the forced command of docs/fleet.md."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from pi.conftest import Proven
from support.pi.machine import Machine
from support.pi.service.serving import READY_S, VERSIONS, Workstation, reached, sorter, ssh_config

from edge.bundle.archive import open_bundle
from edge.journal.reading import ItemRecord, Query, check_journal, read_all


def test_a_model_is_pushed_and_put_to_work_and_what_the_station_has_comes_home(
    machine: Machine, place: Workstation, tmp_path: Path, proven: Proven
) -> None:
    model = place.model(VERSIONS[1])
    config = ssh_config(machine, place)
    said = json.loads(sorter("push", model, "sorter@line-1", "--ssh-config", config, "--json"))
    (device,) = said["hosts"]
    assert device["active"], said
    digest = open_bundle(model).digest
    # The running controller changes over by itself, between two frames.
    with reached(machine, place) as station:
        machine.until(
            "it has changed over", f"journalctl -b -u sorter -o cat | grep 'tiny-{VERSIONS[1]} .* at work'", READY_S
        )
        stored = station.items()
    again = json.loads(sorter("push", model, "sorter@line-1", "--ssh-config", config, "--json"))
    assert again["hosts"][0]["already"]
    sorter("pull", "sorter@line-1", "--ssh-config", config, "--into", tmp_path / "home")
    (journal,) = (tmp_path / "home").glob("*/journal.db")
    assert check_journal(journal) == []
    assert stored <= {(row.run_id, row.item) for row in read_all(journal, ItemRecord, Query())}
    assert machine.run("readlink /var/lib/sorter/models/active/current").strip().endswith(digest)
    proven(
        "`sorter push` and `sorter pull` work over the machine's own sshd with the documented forced command.",
        model_mb=round(model.stat().st_size / 1e6, 1),
    )


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

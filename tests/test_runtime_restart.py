"""What a runtime needs to see a change, and doing it with systemd."""

from __future__ import annotations

import pytest

from cdi.host import Host
from cdi.runtimes.config import Restart, Restarted, restart, restart_of, run_program
from cdi.runtimes.config.restart import Ran

SYSTEMD = "/usr/bin/systemctl : f 0755\n/run/systemd/system/\n"
DOCKER = Restart(verb="restart", unit="docker.service", why="it must")


class Machine(Host):
    """A text tree that stands for the machine that we run on."""

    @property
    def is_here(self) -> bool:
        """Whether its programs may be asked."""
        return True


class Systemd:
    """A systemctl that notes what it is asked, and answers from lists."""

    def __init__(self, *answers: Ran) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *command: str) -> Ran:
        """Return the next answer."""
        self.asked.append(command)
        return self.answers.pop(0)


UP, DOWN = Ran(0, "active\n"), Ran(3, "failed\n")


def test_a_daemon_is_restarted_and_looked_at() -> None:
    systemd = Systemd(UP, Ran(0, ""), UP)
    done = restart(Machine.from_tree(SYSTEMD), DOCKER, systemd)
    assert done == Restarted(ok=True, outcome="docker.service is up again")
    assert systemd.asked == [
        ("/usr/bin/systemctl", "is-active", "docker.service"),
        ("/usr/bin/systemctl", "restart", "docker.service"),
        ("/usr/bin/systemctl", "is-active", "docker.service"),
    ]


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (
            (UP, Ran(1, "Job for docker.service failed.\nSee journalctl.\n"), DOWN),
            "docker.service did not come up again: Job for docker.service failed. See journalctl.",
        ),
        ((UP, Ran(0, ""), DOWN), "docker.service did not come up again: it is failed"),
        ((UP, Ran(-1, "timed out"), UP), "docker.service did not come up again: timed out"),
    ],
)
def test_a_daemon_that_does_not_come_up_is_told(answers: tuple[Ran, ...], outcome: str) -> None:
    assert restart(Machine.from_tree(SYSTEMD), DOCKER, Systemd(*answers)) == Restarted(ok=False, outcome=outcome)


def test_a_stopped_daemon_stays_stopped() -> None:
    systemd = Systemd(Ran(3, "inactive\n"))
    done = restart(Machine.from_tree(SYSTEMD), DOCKER, systemd)
    assert done.ok is None
    assert done.outcome == "docker.service does not run: it reads its configuration when it starts"
    assert len(systemd.asked) == 1


@pytest.mark.parametrize(
    ("host", "outcome"),
    [
        (Host.from_tree(SYSTEMD), "not done: it would be on this machine, and the files are of another root"),
        (
            Machine.from_tree("/usr/bin/systemctl : f 0755\n"),
            "not done: systemd does not run here, restart it by hand",
        ),
        (Machine.from_tree("/run/systemd/system/\n"), "not done: systemd does not run here, restart it by hand"),
        (
            Machine.from_tree("/usr/bin/systemctl : f 0777\n/run/systemd/system/\n"),
            "not done: others than root may change /usr/bin/systemctl",
        ),
    ],
)
def test_nothing_is_run_where_it_must_not(host: Host, outcome: str) -> None:
    systemd = Systemd()
    assert restart(host, DOCKER, systemd) == Restarted(ok=None, outcome=outcome)
    assert systemd.asked == []


UNITS = "/usr/local/lib/systemd/system"
BOTH = f"{UNITS}/rke2-server.service = ''\n{UNITS}/rke2-agent.service = ''\n"


@pytest.mark.parametrize(
    ("runtime", "tree", "command"),
    [
        ("containerd", "", "systemctl restart containerd.service"),
        ("cri-o", "", "systemctl reload crio.service"),
        ("docker", "", "systemctl restart docker.service"),
        (
            "docker",
            "/etc/systemd/system/snap.docker.dockerd.service = ''\n",
            "systemctl restart snap.docker.dockerd.service",
        ),
        ("k3s", "", "systemctl restart k3s.service"),
        ("k3s", "/etc/systemd/system/k3s-agent.service = ''\n", "systemctl restart k3s-agent.service"),
        ("rke2", "/usr/lib/systemd/system/rke2-agent.service = ''\n", "systemctl restart rke2-agent.service"),
        ("rke2", BOTH, "systemctl restart rke2-server.service"),
        (
            "rke2",
            f"{BOTH}/etc/systemd/system/multi-user.target.wants/rke2-agent.service -> {UNITS}/rke2-agent.service\n",
            "systemctl restart rke2-agent.service",
        ),
        (
            "containerd",
            "/etc/systemd/system/snap.microk8s.daemon-containerd.service = ''\n",
            "systemctl restart snap.microk8s.daemon-containerd.service",
        ),
    ],
)
def test_each_daemon_has_its_unit(runtime: str, tree: str, command: str) -> None:
    needed = restart_of(Host.from_tree(tree), runtime)
    assert needed is not None
    assert needed.command == command
    assert needed.why


@pytest.mark.parametrize("runtime", ["podman", "nerdctl"])
def test_what_reads_its_files_each_time_needs_nothing(runtime: str) -> None:
    assert restart_of(Host.from_tree(""), runtime) is None


def test_a_program_runs_without_a_shell_and_with_its_own_environment() -> None:
    assert run_program("/bin/sh", "-c", "echo $PATH; exit 3") == Ran(3, "/usr/sbin:/usr/bin:/sbin:/bin\n")
    assert run_program("/bin/echo", "$(id)") == Ran(0, "$(id)\n")
    assert run_program("/none/such").code == -1

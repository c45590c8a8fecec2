"""Several hosts on one machine: network namespaces with names of their own, joined by a switch.

A test calls enter() first. It starts the test anew in namespaces (network, mounts, processes) that belong to this run alone, so that
nothing of the machine is touched, two runs do not see each other, and the kernel removes it all when the test ends, also when it is killed.
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

SKIPPED = 77
INSIDE = "FER_DDP_INSIDE_HOSTS_RIG"
AGENT = pathlib.Path(__file__).with_name("agent")
PARAMETERS = pathlib.Path(__file__).resolve().parents[2] / "cluster" / "openmpi-mca-params.conf"


def enter() -> None:
    """Goes on in namespaces of this run's own; ends the test as skipped, with the reason, where there can be none."""
    if os.environ.get(INSIDE):
        use_private_folders()
        return
    missing = [tool for tool in ("ip", "nsenter", "unshare") if not shutil.which(tool)]
    if missing:
        skip(f"{', '.join(missing)} not found (Debian's iproute2 and util-linux)")
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    tried = subprocess.run([*words, "sh", "-c", "mount -t tmpfs run /run && ip link add switch type bridge"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if tried.returncode != 0:
        skip(f"no namespaces here, which need root and a kernel with bridges: {tried.stdout.strip()}")
    os.execvpe("unshare", [*words, sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})


def use_private_folders() -> None:
    """What the test, and Open MPI when it is killed, leave behind goes with the namespaces."""
    for folder in ("/run", "/dev/shm"):
        call("mount", "-t", "tmpfs", "hosts", folder)
    pathlib.Path("/run/tmp").mkdir()
    os.environ["TMPDIR"] = "/run/tmp"


def skip(reason: str) -> None:
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def call(*words) -> str:
    return subprocess.run(list(map(str, words)), check=True, stdout=subprocess.PIPE, text=True).stdout


class Hosts:
    """host1, host2, ...; mpirun runs on host1. One object a test."""

    def __init__(self, count: int):
        self.names = [f"host{number}" for number in range(1, count + 1)]
        pathlib.Path("/run/uts").mkdir()
        addresses = {name: f"10.77.0.{number}" for number, name in enumerate(self.names, 1)}
        names_file = pathlib.Path("/run/hosts")
        names_file.write_text("127.0.0.1 localhost\n" + "".join(f"{a} {n}\n" for n, a in addresses.items()))
        call("mount", "--bind", names_file, "/etc/hosts")
        call("ip", "link", "set", "lo", "up")
        call("ip", "link", "add", "switch", "type", "bridge")
        call("ip", "link", "set", "switch", "up")
        for name, address in addresses.items():
            self._add(name, address)

    def _add(self, name: str, address: str) -> None:
        call("ip", "netns", "add", name)
        pathlib.Path(f"/run/uts/{name}").touch()
        call("unshare", f"--uts=/run/uts/{name}", "hostname", name)
        call("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        call("ip", "link", "set", f"to-{name}", "master", "switch", "up")
        call("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            call("ip", "-n", name, "link", "set", device, "up")

    def mpirun(self, program: list, parameters: dict | None = None, **options) -> subprocess.Popen:
        """Starts `program` on all hosts, with cluster/openmpi-mca-params.conf and then `parameters`."""
        ranks_per_host = 2
        slots = ",".join(f"{name}:{ranks_per_host}" for name in self.names)
        words = ["mpirun", "--mca", "plm_rsh_agent", AGENT, "--bind-to", "none", "--host", slots, "-n", ranks_per_host * len(self.names)]
        for name, value in (parameters or {}).items():
            words += ["--mca", name, value]
        environment = {**os.environ, "OMPI_MCA_mca_base_param_files": str(PARAMETERS)}
        return subprocess.Popen([AGENT, self.names[0], *map(str, words), *map(str, program)], text=True, env=environment, **options)

    def add_dead_network(self) -> None:
        """Gives each host an eth1 whose packets get nowhere, as behind a firewall that drops them."""
        for number, name in enumerate(self.names, 1):
            call("ip", "link", "add", f"dead-{name}", "type", "veth", "peer", "name", "eth1", "netns", name)
            call("ip", "link", "set", f"dead-{name}", "up")
            call("ip", "-n", name, "address", "add", f"10.78.0.{number}/24", "dev", "eth1")
            call("ip", "-n", name, "link", "set", "eth1", "up")
            for other in range(1, len(self.names) + 1):
                if other != number:  # or the kernel would soon say that there is no such neighbour
                    call("ip", "-n", name, "neighbour", "add", f"10.78.0.{other}", "lladdr", "02:00:00:00:00:01", "dev", "eth1")

    def cut(self, name: str) -> None:
        """Pulls the host's network plug."""
        call("ip", "-n", name, "link", "set", "eth0", "down")

    def mend(self, name: str) -> None:
        call("ip", "-n", name, "link", "set", "eth0", "up")

    def bytes_sent(self, name: str) -> int:
        return json.loads(call("ip", "-n", name, "-s", "-j", "link", "show", "eth0"))[0]["stats64"]["tx"]["bytes"]

    def processes(self, name: str, program: str = "") -> dict:
        """The command lines of what runs on the host, by process; of `program` alone where one is given. Zombies are left out."""
        found = {}
        for process in map(int, call("ip", "netns", "pids", name).split()):
            with contextlib.suppress(OSError):
                line = pathlib.Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                if line and line.startswith(program):
                    found[process] = line
        return found

    def rank(self, number: int) -> int:
        """The process of a rank."""
        for name in self.names:
            for process in self.processes(name):
                with contextlib.suppress(OSError):
                    if f"OMPI_COMM_WORLD_RANK={number}\0".encode() in pathlib.Path(f"/proc/{process}/environ").read_bytes():
                        return process
        raise AssertionError(f"rank {number} does not run")

    def wait_until_empty(self, name: str, end: float, program: str = "") -> None:
        """Until nothing runs on the host; fails the test when the monotonic clock passes `end`."""
        while self.processes(name, program):
            assert time.monotonic() < end, f"{name} still runs {self.processes(name, program)}"
            time.sleep(0.02)

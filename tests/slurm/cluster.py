"""A Slurm of a test's own, on this machine alone: munged, slurmctld and two nodes' slurmd.

They live in namespaces that the test enters first. With the network namespace no port collides with another copy, and with the process
namespace no daemon outlives the test, however that ends. All files are on a tmpfs that goes with them. Both nodes are this machine, under
host names of their own.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "cluster" / "slurm"
SKIPPED = 77
INSIDE = "FER_DDP_SLURM_TEST_INSIDE"
NODES = ("n1", "n2")
ADDRESS = "10.77.1.1"  # of the network namespace alone
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "ip", "unshare")

# Two nodes on one machine, which slurmd tells apart by port. Whatever else differs from the defaults makes tests quick: an expired
# credential is what a requeue waits for, and the scheduler would otherwise look only once a minute.
SLURM_CONF = """
ClusterName=tests
SlurmctldHost=here({address})
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
GresTypes=gpu
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=10
SchedulerParameters=sched_interval=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
TmpFS={folder}/tmp-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
NodeName=n1 NodeAddr={address} Port=6821 CPUs={cpus} CoresPerSocket={cpus} Gres=gpu:2 State=UNKNOWN
NodeName=n2 NodeAddr={address} Port=6822 CPUs={cpus} CoresPerSocket={cpus} Gres=gpu:2 State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=tests Nodes=ALL Default=YES PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes=ALL PriorityTier=2 PreemptMode=OFF
"""


def run(*words, **options) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, f"{words} exited {done.returncode}:\n{done.stderr}{done.stdout}"
    return done.stdout


def wait_until(true, seconds: float, what: str) -> float:
    """Polls; the seconds that it took. Fails the test where they are over."""
    begin = time.monotonic()
    while not true():
        assert time.monotonic() - begin < seconds, f"waited {seconds} s in vain for {what}"
        time.sleep(0.05)
    return time.monotonic() - begin


class Job:
    def __init__(self, number: str, folder: pathlib.Path):
        self.number = number
        self.output_file = folder / f"slurm-{number}.out"

    def field(self, name: str) -> str:
        """As `scontrol show job` prints it."""
        found = re.search(rf"(?:^|\s){name}=(\S*)", run("scontrol", "show", "job", "--oneliner", self.number))
        return found[1] if found else ""

    def output(self) -> str:
        return self.output_file.read_text() if self.output_file.exists() else ""

    def wait_for(self, state: str, seconds: float = 120) -> float:
        def is_in_state() -> bool:
            now = self.field("JobState")
            assert now == state or now not in OVER, f"job {self.number} is {now}"
            return now == state

        return self._wait(is_in_state, seconds, state)

    def wait_for_restart(self, count: int, seconds: float = 60) -> float:
        return self._wait(lambda: int(self.field("Restarts")) >= count, seconds, f"restarted {count} times")

    def _wait(self, true, seconds: float, what: str) -> float:
        try:
            return wait_until(true, seconds, f"job {self.number} to be {what}")
        except AssertionError:
            print(run("scontrol", "show", "job", self.number), self.output())
            raise


class Cluster:
    def __init__(self, folder: pathlib.Path, fer_ddp: str):
        self.folder = folder
        self.fer_ddp = fer_ddp
        self.environment = {**os.environ, "FER_DDP_HOME": str(REPOSITORY), "FER_DDP": fer_ddp}
        # Open MPI would pass over the loopback interface, which is all that there is here.
        self.environment["OMPI_MCA_btl_tcp_if_include"] = self.environment["OMPI_MCA_oob_tcp_if_include"] = "lo"

    def submit(self, *words, options=(), **environment) -> Job:
        """sbatch OPTIONS WORDS, from the test's folder: the words are a script and its arguments."""
        printed = run("sbatch", "--parsable", "--output=slurm-%j.out", *options, *words, cwd=self.folder,
                      env={**self.environment, **environment})
        return Job(printed.strip(), self.folder)

    def processes_of(self, node: str) -> dict:
        """What runs on the node, by process: the name of its program. The node's host name is a namespace of its own."""
        name_space = os.readlink(f"/proc/{self.daemon_of(node)}/ns/uts")
        found = {}
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if os.readlink(folder / "ns/uts") == name_space:
                    found[int(folder.name)] = (folder / "comm").read_text().strip()
        return found

    def daemon_of(self, node: str) -> int:
        return int((self.folder.parent / f"slurmd-{node}.pid").read_text())

    def lose_node(self, node: str, spared=()) -> None:
        """Kills all that runs on the node but programs of the `spared` names, at once, as when its power fails or its network is cut; and
        has Slurm notice, which by itself takes it minutes."""
        for process, program in self.processes_of(node).items():
            if program not in spared:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        run("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")

    def daemon_logs(self) -> str:
        return "".join(f"--- {log.name}\n{log.read_text()[-4000:]}" for log in sorted(self.folder.parent.glob("*.log")))


def start_daemons(folder: pathlib.Path) -> None:
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", f"{ADDRESS}/24", "dev", "lo")  # glibc resolves no name where there is no address but 127.0.0.1
    run("hostname", "here")
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{ADDRESS} here {' '.join(NODES)}\n")
    run("mount", "--bind", hosts, "/etc/hosts")
    munge = folder / "munge"
    for name in ("munge", "state"):
        (folder / name).mkdir()
    key = munge / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    run("munged", *(f"--{name}={munge / file}" for name, file in (
        ("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed"))))
    (folder / "slurm.conf").write_text(SLURM_CONF.format(address=ADDRESS, folder=folder, cpus=len(os.sched_getaffinity(0))))
    # Slurm looks at no more than that the device's file is there.
    for number in range(2):
        run("mknod", folder / f"nvidia{number}", "c", "1", "3")
    (folder / "gres.conf").write_text(f"NodeName=n[1-2] Name=gpu File={folder}/nvidia[0-1]\n")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    run("slurmctld")
    for node in NODES:
        (folder / f"tmp-{node}").mkdir()
        start_node(node)
    wait_until_idle()


def start_node(node: str) -> None:
    run("unshare", "--uts", "bash", "-c", f"hostname {node} && slurmd -N {node}")


def wait_until_idle() -> None:
    wait_until(lambda: run("sinfo", "--noheader", "--format=%T %D").split() == ["idle", "2"], 30, "both nodes to be idle")


def why_not() -> str:
    """Why this machine cannot run a Slurm of its own; empty where it can."""
    if os.geteuid() != 0:
        return "a Slurm of the test's own needs root"
    if len(os.sched_getaffinity(0)) < 2:
        return "two tasks with a core each need two cores"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} not installed (cluster/setup/install_dependencies --cluster-tests)"
    if subprocess.run(["unshare", "--net", "--pid", "--mount", "--uts", "--fork", "true"], check=False).returncode != 0:
        return "this machine allows no namespaces"
    return ""


def enter_namespaces() -> None:
    """Runs this program anew inside; bash is its first process there and reaps what daemons leave behind."""
    os.environ[INSIDE] = "1"
    inner = [sys.executable, *sys.argv]
    os.execvp("unshare", ["unshare", "--net", "--pid", "--mount", "--uts", "--fork", "--kill-child", "--mount-proc", "--",
                          "bash", "-c", '"$@"; exit $?', "bash", *inner])


def in_cluster(test, fer_ddp: str) -> None:
    """Calls test(cluster) where a Slurm can be started; else says why not, and exits as skipped."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if INSIDE not in os.environ:
        reason = why_not()
        if reason:
            print(f"skipped: {reason}")
            sys.exit(SKIPPED)
        enter_namespaces()
    root = pathlib.Path("/run")
    # /dev/shm too, where Open MPI names its files by host and job, which are the same in each copy.
    for folder in (root, "/dev/shm"):
        run("mount", "-t", "tmpfs", "tmpfs", folder)
    start_daemons(root)
    cluster = Cluster(root / "jobs", fer_ddp)
    cluster.folder.mkdir()
    os.chdir(cluster.folder)
    try:
        test(cluster)
    except BaseException:
        with contextlib.suppress(OSError):
            print(cluster.daemon_logs())
        raise

"""What the benchmarks share: run a command to its end, and look at the memory of the processes that it starts."""
import os
import pathlib
import subprocess
import sys
import time

# glibc keeps freed memory instead of giving it back to the system: a setting that PyTorch gains by.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31), "MALLOC_TOP_PAD_": str(1 << 26)}
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def fer_ddp_command(program: str, ranks: int, *arguments) -> list:
    return ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks), program, *map(str, arguments)]


def timed(command: list, **environment) -> tuple:
    """(seconds of the whole command, its standard output)."""
    start = time.perf_counter()
    done = subprocess.run(list(map(str, command)), env={**os.environ, **AS_ROOT, **environment}, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return seconds, done.stdout


def _memory(process: int) -> dict:
    """KiB by kind, of /proc/PID/status; empty where the process is gone."""
    try:
        lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("Rss", "VmHWM"))}


def _named(program: str) -> list:
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "exe") == os.path.realpath(program):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def peak_memory(command: list, program: str, ranks: int) -> tuple:
    """Runs the command; (MiB a rank, MiB a rank with what the ranks share counted once), the largest seen at any time."""
    process = subprocess.Popen(list(map(str, command)), env={**os.environ, **AS_ROOT}, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    resident = fair = 0
    while process.poll() is None:
        for rank in _named(program):
            kinds = _memory(rank)
            own = kinds.get("RssAnon", 0) + kinds.get("RssFile", 0)
            shared = kinds.get("RssShmem", 0)
            resident = max(resident, own + shared)
            fair = max(fair, own + shared / ranks)
        time.sleep(0.02)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed")
    return resident / 1024, fair / 1024

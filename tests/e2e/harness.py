"""What the end-to-end tests share: run the executable, alone or under mpiexec, in a folder of the test's own."""
import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FER_DDP = sys.argv[1] if len(sys.argv) > 1 else "fer-ddp"
MPIEXEC = sys.argv[2] if len(sys.argv) > 2 else "mpiexec"
GOLDEN = pathlib.Path(os.environ.get("FER_DDP_GOLDEN_FOLDER", "tests/golden"))

os.environ.setdefault("OMPI_ALLOW_RUN_AS_ROOT", "1")
os.environ.setdefault("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
os.environ.setdefault("PMIX_MCA_gds", "hash")  # as README advises: mpirun may hang otherwise where a rank is killed


def command(*arguments, ranks: int = 0) -> list:
    """The words of a call; 0 ranks: without mpiexec."""
    launcher = [MPIEXEC, "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] if ranks else []
    return [*launcher, FER_DDP, *map(str, arguments)]


def run(*arguments, ranks: int = 0, expected: int = 0, **options) -> subprocess.CompletedProcess:
    """Runs to the end; fails the test unless it exits with `expected`."""
    done = subprocess.run(command(*arguments, ranks=ranks), capture_output=True, text=True, timeout=200, **options)
    assert done.returncode == expected, f"{arguments} exited {done.returncode}, expected {expected}:\n{done.stderr}{done.stdout}"
    return done


def copy_program(folder: pathlib.Path, program: str = "") -> pathlib.Path:
    """The program in a folder of its own, without a CUDA plug-in: its libraries are those that lie beside it."""
    program = pathlib.Path(program or FER_DDP).resolve()
    folder.mkdir()
    for name in (program.name, "libfer_ddp_training.so"):
        shutil.copy(program.parent / name, folder)
    return folder / program.name


def faces(folder: pathlib.Path, images: int = 280) -> pathlib.Path:
    """A small csv of synthetic faces."""
    path = folder / "faces.csv"
    run("synthesize", path, "--images", images)
    return path


def config(folder: pathlib.Path, name: str = "exp", **keys) -> pathlib.Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"output": str(folder / "runs" / name), "batch_size": 32, "epochs": 3, **keys}))
    return path


def history(run_folder: pathlib.Path, timed: bool = False) -> list:
    """The lines of history.csv as dictionaries, without the columns that measure time."""
    with open(run_folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows if timed else [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]


def stop_in_the_middle(folder: pathlib.Path, name: str, *arguments, ranks: int = 0, signal_number: int = signal.SIGTERM) -> None:
    """Starts the run of runs/NAME and sends one rank the signal once an epoch is in its history; it must stop after a checkpoint."""
    process = subprocess.Popen(command(*arguments, ranks=ranks), stderr=subprocess.DEVNULL)
    path = folder / "runs" / name / "status.json"
    history_file = folder / "runs" / name / "history.csv"
    deadline = time.monotonic() + 100
    while not (path.is_file() and history_file.is_file() and history_file.read_text().count("\n") > 1):
        assert process.poll() is None and time.monotonic() < deadline, "the run ended before it could be stopped"
        time.sleep(0.01)
    os.kill(json.loads(path.read_text())["pid"], signal_number)
    assert process.wait(timeout=100) == 75, process.returncode


def ranks_of(launcher: int) -> dict:
    """The process of each rank, by rank: mpirun's children."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile
            continue
        for line in environment:
            if parent == launcher and line.startswith(b"OMPI_COMM_WORLD_RANK="):
                found[int(line.split(b"=")[1])] = int(folder.name)
    return found


def in_folder(test) -> None:
    """Calls test(folder) in a temporary working directory."""
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        test(pathlib.Path(name))
        os.chdir("/")

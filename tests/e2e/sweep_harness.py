"""What the tests of sweeps share."""
import json
import os
import pathlib
import signal
import subprocess
import time

from harness import command, history, ranks_of

BASE = {"epochs": 3, "batch_size": 32, "early_stopping_patience": None, "threads": 1}
OURS = ("results.csv", "results.json", "report.html")


def sweep_file(folder: pathlib.Path, stem: str, base: dict, **keys) -> pathlib.Path:
    path = folder / f"{stem}.json"
    path.write_text(json.dumps({"base": {**BASE, **base}, "output": str(folder / "sweeps" / stem), **keys}))
    return path


def start(*arguments, ranks: int) -> subprocess.Popen:
    return subprocess.Popen(command("sweep", *arguments, ranks=ranks), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(true, *processes, seconds: float = 100) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        for process in processes:
            assert process.poll() is None, process.communicate(timeout=5)
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill(process: subprocess.Popen) -> None:
    """All of a job at once, as a power cut does."""
    for pid in [process.pid, *ranks_of(process.pid).values()]:
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=60)


def runs_of(sweep: pathlib.Path) -> list:
    return [run["name"] for run in json.loads((sweep / "sweep.json").read_text())["runs"]]


def results_in(sweep: pathlib.Path) -> int:
    return len(list(sweep.glob("runs/*/result.json")))


def live_runs(sweep: pathlib.Path) -> list:
    """Those that train just now, at least one epoch of them done."""
    return [path.parent.name for path in sweep.glob("runs/*/lease.json") if (path.parent / "history.csv").is_file()]


def same_sweeps(one: pathlib.Path, other: pathlib.Path) -> None:
    """To the byte, but for what measures time."""
    for name in OURS:
        assert (one / name).read_bytes() == (other / name).read_bytes().replace(bytes(other), bytes(one)), (one, other, name)
    rungs = [{path.name: path.read_bytes() for path in sweep.glob("rungs/*.json")} for sweep in (one, other)]
    assert rungs[0] == rungs[1], rungs
    assert runs_of(one) == runs_of(other)
    for run in runs_of(one):
        folders = [sweep / "runs" / run for sweep in (one, other)]
        assert history(folders[0]) == history(folders[1]), run
        assert (folders[0] / "model.safetensors").read_bytes() == (folders[1] / "model.safetensors").read_bytes(), run


def left_clean(sweep: pathlib.Path) -> None:
    """What is there is a sweep's results, and nothing of what was in between."""
    names = {path.name for path in sweep.iterdir()} - {"rungs", "failed", "shards"}
    assert names == {"sweep.json", "runs", *OURS}, names
    assert not list(sweep.rglob("*lease*")) and not list(sweep.rglob("*.partial")), list(sweep.rglob("*"))

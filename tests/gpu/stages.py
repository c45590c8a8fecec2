"""What the stages of tests/gpu/run share: their command line, the report that each adds to, and what it says of the machine. Python's
standard library alone."""
import argparse
import contextlib
import pathlib
import re
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(REPOSITORY / "tests" / "gpu"), str(REPOSITORY / "tests" / "e2e")]

from harness import copy_program  # noqa: E402
from training_runs import CheckFailed, Program  # noqa: E402

SKIPPED = 77


class Report:
    """Lines and rows, printed as they come and added to a file; failed where one of them is out of its bound."""

    def __init__(self, file) -> None:
        self.file = file
        self.failed = False

    def say(self, line: str = "") -> None:
        print(line, flush=True)
        print(line, file=self.file, flush=True)

    def begin_checks(self) -> None:
        self.say("\n| check | found | bound | |\n|---|---|---|---|")

    def row(self, check: str, found: str, bound: str, verdict: str) -> None:
        self.failed = self.failed or verdict == "FAIL"
        self.say(f"| {check} | {one_line(found)} | {bound} | {verdict} |")

    def compare(self, check: str, measure, bound: float) -> None:
        """A row for a number that must be at most `bound`; a check that cannot be made fails."""
        try:
            number = measure()
            self.row(check, f"{number:.2g}", f"at most {bound:g}", "PASS" if number <= bound else "FAIL")
        except (CheckFailed, OSError, subprocess.TimeoutExpired) as failure:
            self.row(check, str(failure), f"at most {bound:g}", "FAIL")


def one_line(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")[:300]


def find_gpus() -> list:
    """"NAME, DRIVER" of each GPU; empty where there is none that can be used."""
    try:
        done = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"], capture_output=True,
                              text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.strip().splitlines() if done.returncode == 0 else []


def versions() -> str:
    pinned = {}
    for name in ("cuda_requirements.txt", "cuda_runtime_requirements.txt"):
        text = (REPOSITORY / "cluster" / "setup" / name).read_text()
        pinned |= dict(re.findall(r"^([a-z0-9-]+)==([0-9.]+)", text, re.MULTILINE))
    manifest = REPOSITORY / "MANIFEST"  # a bundle's
    if manifest.exists():
        commit = re.search(r"^# commit (\w{7})", manifest.read_text(), re.MULTILINE).group(1)
    else:
        commit = subprocess.run(["git", "-C", str(REPOSITORY), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return (f"fer-ddp {commit or 'without git'}, LibTorch {pinned['torch']}, CUDA {pinned['nvidia-cuda-nvrtc']}, "
            f"cuDNN {pinned['nvidia-cudnn-cu13']}, NCCL {pinned['nvidia-nccl-cu13']}")


def add_stage_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fer-ddp", type=pathlib.Path, required=True)
    parser.add_argument("--mpiexec", default="mpiexec")
    parser.add_argument("--host-plugin", help="take the host's memory in a GPU's place: this plug-in")
    parser.add_argument("--report", default="gpu-report.md", help="what is found also goes to this file")
    parser.add_argument("--add", action="store_true", help="to the report, instead of beginning it anew")


def place_program(options: argparse.Namespace, folder: pathlib.Path) -> pathlib.Path:
    """The executable; with a plug-in of the tests, a copy of it that finds that one beside itself."""
    if not options.host_plugin:
        return options.fer_ddp.resolve()
    program = copy_program(folder / "bin", options.fer_ddp)
    (program.parent / "libfer_ddp_cuda.so").symlink_to(pathlib.Path(options.host_plugin).resolve())
    return program


@contextlib.contextmanager
def stage(options: argparse.Namespace):
    """Yields the program and the report, whose first lines name the GPU and the versions. Exits with SKIPPED where there is no GPU."""
    gpus = find_gpus()
    if not options.host_plugin and not gpus:
        print("skipped: no GPU here (nvidia-smi names none); tests/gpu/run --dry-run tries the script itself")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory(prefix="fer-ddp-gpu-") as name, open(options.report, "a" if options.add else "w") as file:
        report = Report(file)
        folder = pathlib.Path(name)
        # A dry run computes little, shares the machine, and is quick without this project's kernels.
        keys, variables = ({"threads": 1}, {"FER_DDP_DOUBLE_KERNELS": "0"}) if options.host_plugin else ({}, {})
        program = Program(place_program(options, folder), options.mpiexec, folder, keys, variables)
        if file.tell() == 0:
            report.say("A dry run: the host's memory in a GPU's place. Nothing here is about a GPU." if options.host_plugin else f"GPU: {'; '.join(gpus)}")
            report.say(versions())
        yield program, report

#!/usr/bin/env python3
"""What a GPU's kernels take and what one training step asks of them, without a GPU: registers, spills and shared memory by the compiler's
report, bytes and operations by the step's own calls, and the time that these imply at least on an H100. Prints markdown.

Usage: kernel_resources.py --build build/release [--model seed_cnn] [--batch 128] [--precision bf16 tf32 fp32]

The targets fer_ddp_cuda and kernel_launches must be built. The H100 (SXM) is that of NVIDIA's data sheet, without sparsity: 3.35 TB/s of
memory, 67 TFLOP/s fp32, 494 TF32, 989 bf16; 132 multiprocessors. Bytes count each operand once, as if none were in its 50 MB of cache: a
kernel whose operands are there may be quicker than "at least" says.
"""
import argparse
import bisect
import json
import pathlib
import re
import subprocess
from dataclasses import dataclass

MULTIPROCESSORS = 132
BYTES_A_SECOND = 3.35e12
OPERATIONS_A_SECOND = {"fp32": 67e12, "tf32": 494e12, "bf16": 989e12}
ARCHITECTURE = "sm_90"
# Of a multiprocessor.
REGISTERS, THREADS, BLOCKS, SHARED_BYTES, RESERVED_SHARED_BYTES = 65536, 2048, 32, 227 * 1024, 1024
PLAIN_SHARED_BYTES = 48 * 1024  # of a block, unless the launch asks for more first


@dataclass
class Resources:
    registers: int
    spilled_bytes: int
    shared_bytes: int

    def blocks_at_once(self, threads: int, dynamic_shared_bytes: int) -> int:
        """On a multiprocessor."""
        warps = -(-threads // 32)
        registers = warps * -(-self.registers * 32 // 256) * 256
        shared = self.shared_bytes + dynamic_shared_bytes + RESERVED_SHARED_BYTES
        return min(REGISTERS // registers, THREADS // threads, BLOCKS, SHARED_BYTES // shared)


def compiled_kernels(build: pathlib.Path) -> dict:
    """Resources by the kernel's name, demangled."""
    found = {}
    for report in sorted((build / "src" / "cuda" / "kernels").glob("*.resources.txt")):
        pattern = (r"Compiling entry function '(\S+)' for '" + ARCHITECTURE + r"'\n.*\n.*?(\d+) bytes spill stores, (\d+) bytes spill loads\n"
                   r"ptxas info +: Used (\d+) registers([^\n]*)")
        for symbol, stores, loads, registers, others in re.findall(pattern, report.read_text()):
            shared = re.search(r"(\d+) bytes smem", others)
            found[symbol] = Resources(int(registers), int(stores) + int(loads), int(shared.group(1)) if shared else 0)
    names = demangled(list(found))
    return {comparable(names[symbol]): resources for symbol, resources in found.items()}


def demangled(symbols: list) -> dict:
    lines = subprocess.run(["c++filt"], input="\n".join(symbols), capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(zip(symbols, lines))


def comparable(name: str) -> str:
    """A function that is a file's own has a mark of its compiler in the name."""
    return re.sub(r"\(anonymous namespace\)::|_GLOBAL__N__\w+::", "", name)


class Program:
    """Names of functions by their place in kernel_launches."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        symbols = [(int(place, 16), symbol) for place, kind, symbol in
                   re.findall(r"^([0-9a-f]+) ([tTwW]) (\S+)$", subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout, re.MULTILINE)]
        self.symbols = sorted(symbols)
        self.places = [place for place, _ in self.symbols]

    def step(self, model: str, batch: int, precision: str) -> dict:
        words = [self.path, model, str(batch), precision, str(MULTIPROCESSORS)]
        step = json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)
        launches = [launch for call in step["calls"] for launch in call["launches"]]
        if not launches:
            raise SystemExit(f"error: a step of {model} starts no kernels of src/cuda/kernels\n  `fer-ddp network {model}` says who can train it.")
        symbols = [self.symbol_at(launch["place"]) for launch in launches]
        names = demangled(symbols)
        for launch, symbol in zip(launches, symbols):
            launch["name"] = comparable(names[symbol])
        return step

    def symbol_at(self, place: int) -> str:
        found = bisect.bisect_left(self.places, place)
        if found == len(self.places) or self.places[found] != place:
            raise SystemExit(f"error: {self.path} has no function at {place:#x}\n  Was it built without symbols?")
        return self.symbols[found][1]


def least_microseconds(call: dict, precision: str) -> tuple:
    """Of a call, and what it is bound by."""
    moving = 1e6 * call["bytes"] / BYTES_A_SECOND
    computing = 1e6 * call["operations"] / OPERATIONS_A_SECOND[precision if call["on_matrix_units"] else "fp32"]
    return max(moving, computing), "FLOP" if computing > moving else "bytes"


def print_step(step: dict, kernels: dict) -> tuple:
    """Returns its launches, megabytes, GFLOP, least microseconds, spilled bytes and launches that a GPU would refuse."""
    precision = step["precision"]
    print(f"\n{step['model']}, batch {step['batch']}, {precision}:\n")
    print("| call | of | launches | blocks | threads | registers | spilled | shared KB | blocks at once | MB | GFLOP | us at least | by |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    totals = [0, 0.0, 0.0, 0.0, 0, 0]
    for call in step["calls"]:
        least, bound = least_microseconds(call, precision)
        count = call["calls"]
        launches = call["launches"]
        columns = [[], [], [], [], [], []]
        for launch in launches[:len(launches) // count]:
            if launch["name"] not in kernels:
                raise SystemExit(f"error: the compiler's report has no {launch['name']}\n  Was fer_ddp_cuda built for {ARCHITECTURE}, of the same sources?")
            resources = kernels[launch["name"]]
            dynamic = launch["dynamic_shared_bytes"]
            shared = resources.shared_bytes + dynamic
            at_once = MULTIPROCESSORS * resources.blocks_at_once(launch["threads"], dynamic)
            row = (f"{launch['blocks']:,}", launch["threads"], resources.registers, resources.spilled_bytes, f"{shared / 1024:.1f}", f"{at_once:,}")
            for column, value in zip(columns, row):
                column.append(str(value))
            totals[4] += resources.spilled_bytes
            totals[5] += count * (shared > PLAIN_SHARED_BYTES)
        print(f"| {call['kernel']} | {call['shape']} | {len(launches)} | {' | '.join('; '.join(dict.fromkeys(column)) for column in columns)} | "
              f"{1e-6 * count * call['bytes']:.2f} | {1e-9 * count * call['operations']:.3f} | {count * least:.2f} | {bound} |")
        for i, value in enumerate((len(launches), 1e-6 * count * call["bytes"], 1e-9 * count * call["operations"], count * least)):
            totals[i] += value
    beside = ", ".join(step["operators"]) or "none"
    print(f"\nLibTorch's operators beside them: {beside}.")
    return (*totals, len(step["operators"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--model", default="seed_cnn")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--precision", nargs="+", choices=tuple(OPERATIONS_A_SECOND), default=["bf16", "tf32", "fp32"])
    options = parser.parse_args()
    kernels = compiled_kernels(options.build)
    if not kernels:
        parser.error(f"{options.build} holds no report of the compiler for {ARCHITECTURE}: build fer_ddp_cuda with FER_DDP_CUDA_ARCHITECTURES=90-real")
    program = Program(options.build / "bin" / "kernel_launches")
    totals = {precision: print_step(program.step(options.model, options.batch, precision), kernels) for precision in options.precision}
    print("\n| a step | launches, and operators beside | MB | GFLOP | us at least | bytes spilled | launches above 48 KB of shared memory |")
    print("|---|---|---|---|---|---|---|")
    for precision, (launches, megabytes, gflop, least, spilled, above, beside) in totals.items():
        print(f"| {precision} | {launches} + {beside} | {megabytes:.1f} | {gflop:.2f} | {least:.1f} | {spilled} | {above} |")


if __name__ == "__main__":
    main()

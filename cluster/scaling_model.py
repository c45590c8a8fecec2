#!/usr/bin/env python3
"""A model of the communication that a training step does not hide, at 8, 64 and 512 GPUs. Prints the tables of cluster/scaling.md.

Usage: scaling_model.py [--check DOCUMENT | --write DOCUMENT] [--step IMAGES=MICROSECONDS ...]

--step: what tests/gpu/run measured on one GPU of yours, for shares of 128, 16 and 2 images, in place of what is known of an H200. Sources
stand in the document. Microseconds and bytes throughout.
"""
import argparse
import difflib
import math
import pathlib
import sys

GPUS_PER_NODE = 8
BATCH_PER_GPU = 128
TRAINING_IMAGES = 25120  # 70 % of FER2013's 35,887 rows

# Counted: what each layer holds, last layer first, as GradientBuckets cuts it (src/step/autograd/gradient_buckets.h).
PARAMETERS = [7, 128 * 7, 128, 6400 * 128, 64, 64, 64, 64 * 32 * 9, 32, 32, 32, 32 * 9]
SMALLEST_BUCKET = (1 << 20) // 4
# BatchNorm sums two fp64 numbers a channel and the row count, forward and backward (src/model/tensor_batch_norm.cpp).
STATISTICS = [(2 * channels + 1) * 8 for channels in (32, 64, 64, 32)]

# Counted: multiplications and additions of an image, forward; backward takes as many for the weights and, but for the first layer, for
# the inputs.
CONV1, CONV2, FC1, FC2 = (2 * outputs * inputs for outputs, inputs in ((46 * 46 * 32, 9), (21 * 21 * 64, 288), (128, 6400), (7, 128)))
FLOP_PER_IMAGE = 3 * (CONV1 + CONV2 + FC1 + FC2) - CONV1
# Counted: passes over the activations in memory, forward and backward: ReLU and pooling eight over a convolution's output, BatchNorm
# and its neighbours 24 over a pooled one.
BYTES_PER_IMAGE = 4 * (8 * (46 * 46 * 32 + 21 * 21 * 64) + 24 * (23 * 23 * 32 + 10 * 10 * 64))

# Measured on one H200 by tests/gpu/run (fp32, CUDA graph): microseconds of a step by the images in it. A step starts about 200 kernels,
# most of which take as long for few images as for many.
MEASURED_STEP = {128: 1525.0, 16: 747.0, 2: 577.0}
# Published, H100 SXM: fp32 FLOP and bytes a microsecond: what the step's arithmetic and memory traffic would take at peak.
PEAK_FLOP, MEMORY = 67e6, 3.35e6

# NCCL 2.28.9's own model of itself, src/graph/tuning.cc and topo.h: (LL, LL128, Simple), Hopper with Intel hosts.
BASE_LATENCY = {"tree": (6.8, 14.0, 8.4), "ring": (6.6, 14.0, 8.4)}
NVLINK_LATENCY = {"tree": (0.6, 1.25, 4.0), "ring": (0.6, 1.9, 3.4)}
NETWORK_LATENCY = {"tree": (5.0, 8.5, 14.0), "ring": (2.7, 4.0, 14.0)}
NVLS_LATENCY, NVLS_EFFICIENCY = 25.0, 0.85
RING_PLATEAU = 1.4
MOST_LL = {1: 141e3, 2: 39e3}  # by nodes
MOST_LL_MANY_NODES = 20.4e3
TREE_CORRECTION = (
    (1.0, 1.0, 1.0, 1.0, .9, .8, .7, .7, .7, .7, .6, .5, .4, .4, .5, .6, .7, .8, .9, 1.0, 1.0, 1.0, 1.0),
    (1.0, 1.0, 1.0, 1.0, 1.0, .9, .8, .8, .8, .7, .6, .6, .6, .6, .6, .6, .8, .9, .9, .9, .9, 1.0, 1.0),
    (.9, .9, .9, .9, .9, .9, .9, .8, .7, .6, .6, .5, .5, .5, .5, .6, .7, .8, .7, .7, .8, .9, .9),
)
# Bytes a microsecond of a GPU: 18 NVLinks of 20.6 GB/s (topo.h); between nodes its own 400 Gbit/s adapter, eight of them a node.
NVLINK = 18 * 20.6e3
NETWORK = min(NVLINK, GPUS_PER_NODE * 48e3)


def bandwidth(algorithm: str, protocol: int, gpus: int, nodes: int) -> float:
    """Bytes of an all-reduce a microsecond."""
    bus = NVLINK if nodes == 1 else NETWORK
    most_ll = MOST_LL.get(nodes, MOST_LL_MANY_NODES)
    if algorithm == "ring":
        bus = (min(most_ll, bus / 2), 0.92 * bus, bus)[protocol]
        return bus * gpus / (2 * (gpus - 1))
    bus *= 0.92
    return (min(most_ll, bus / 3.8), bus * (7 / 9 if nodes == 1 else 120 / 128), bus)[protocol] / 2


def latency(algorithm: str, protocol: int, gpus: int, nodes: int) -> float:
    near, far = NVLINK_LATENCY[algorithm][protocol], NETWORK_LATENCY[algorithm][protocol]
    if algorithm == "tree":
        return BASE_LATENCY["tree"][protocol] + 2 * ((gpus // nodes - 1) * near + int(math.log2(nodes)) * far)
    far_steps = 2 * (nodes - 1)
    if nodes > 1:
        near = max(near, (1.0, 1.0, 3.0)[protocol])  # the adapter's overhead
    return BASE_LATENCY["ring"][protocol] + (2 * (gpus - 1) - far_steps) * near + far_steps * far


def all_reduce(size: int, gpus: int) -> float:
    """Microseconds of the quickest of NCCL's ways, as its tuner would choose."""
    nodes = max(1, gpus // GPUS_PER_NODE)
    times = []
    for algorithm in ("tree", "ring"):
        for protocol in range(3):
            speed, start = bandwidth(algorithm, protocol, gpus, nodes), latency(algorithm, protocol, gpus, nodes)
            if algorithm == "tree":
                step = int(math.log2(max(size >> 6, 1)))
                speed *= TREE_CORRECTION[protocol][min(step, 22)]
            elif protocol == 2 and nodes > 1 and size / gpus >= 64:
                start *= RING_PLATEAU
            times.append(start + size / speed)
    if nodes == 1:
        times.append(NVLS_LATENCY + size / (NVLINK * NVLS_EFFICIENCY * gpus / (gpus - 1)))
    return min(times)


def buckets() -> list:
    """Elements of each gradient bucket."""
    cut, gathered = [], 0
    for number, parameter in enumerate(PARAMETERS, 1):
        gathered += parameter
        if gathered >= SMALLEST_BUCKET or number == len(PARAMETERS):
            cut.append(gathered)
            gathered = 0
    return cut


def compute_time(images: float, step: dict) -> float:
    """Of one GPU's share of a step: by what was measured (`step`: microseconds by images), straight lines between, and never less than
    what the fewest images took."""
    known = sorted(step)
    if images <= known[0]:
        return step[known[0]]
    for few, many in zip(known, known[1:]):
        if images <= many:
            return step[few] + (step[many] - step[few]) * (images - few) / (many - few)
    return step[known[-1]] * images / known[-1]


def least_time(images: float) -> float:
    """What the arithmetic and the memory traffic take at the published peaks, one after the other."""
    return images * (FLOP_PER_IMAGE / PEAK_FLOP + BYTES_PER_IMAGE / MEMORY)


def exposed(gpus: int, element_bytes: int = 4, separate: bool = False, statistics: bool = True, compute: float = 0) -> float:
    """What a step waits for. Statistics stand on the critical path, and so does the last bucket. The first bucket is begun before the
    second half of backward's statistics: on one communicator these queue behind it, so that little of it is hidden; on a communicator of
    their own, it is hidden by what backward still computes (a half of the step, by its FLOP and bytes) and waits for."""
    first, last = (all_reduce(size * element_bytes, gpus) for size in buckets())
    sums = [all_reduce(size, gpus) if statistics else 0.0 for size in STATISTICS]
    hidden = compute / 2 + sum(sums[2:]) if separate or not statistics else 0.0
    return sum(sums) + max(0.0, first - hidden) + last


def table(header: str, rows: list) -> list:
    columns = header.count("|") + 1
    return [f"| {header} |", "|" + "---|" * columns, *[f"| {' | '.join(row)} |" for row in rows], ""]


def tables(step: dict) -> str:
    scales = (8, 64, 512)
    compute = compute_time(BATCH_PER_GPU, step)
    sizes = [(f"BatchNorm's sums, {len(STATISTICS)} a step", STATISTICS), *[(f"gradient bucket {number}", [4 * size])
             for number, size in enumerate(buckets(), 1)]]
    lines = table("one all-reduce, microseconds | bytes | " + " | ".join(f"{gpus} GPUs" for gpus in scales),
                  [[title, " and ".join(f"{size:,}" for size in sorted(set(found)))] +
                   [f"{max(all_reduce(size, gpus) for size in found):.0f}" for gpus in scales] for title, found in sizes])
    changes = [
        ("as it is", {}),
        ("BatchNorm's sums on a communicator of their own", {"separate": True}),
        ("and gradients in bf16", {"separate": True, "element_bytes": 2}),
        ("and `batch_norm: local`", {"separate": True, "element_bytes": 2, "statistics": False}),
    ]
    rows = []
    for title, change in changes:
        cells = []
        for gpus in scales:
            waits = exposed(gpus, compute=compute, **change)
            cells.append(f"{waits:.0f} ({compute / (compute + waits):.0%})")
        rows.append([title, *cells])
    lines += table("microseconds a step waits (share of the step that computes) | " + " | ".join(f"{gpus} GPUs" for gpus in scales), rows)
    rows = []
    for gpus in (1, *scales):
        share = 128 / gpus
        small = compute_time(share, step) + (exposed(gpus) if gpus > 1 else 0.0)
        large = compute + (exposed(gpus, compute=compute) if gpus > 1 else 0.0)
        rows.append([str(gpus), f"{share:g}", f"{128 / small * 1e6:,.0f}" if share >= 1 else "more ranks than images",
                     f"{gpus * BATCH_PER_GPU:,}", f"{gpus * BATCH_PER_GPU / large * 1e6:,.0f}",
                     f"{TRAINING_IMAGES / (gpus * BATCH_PER_GPU):.1f}"])
    lines += table("GPUs | images a GPU, of 128 | images/s | global batch, 128 a GPU | images/s | steps an epoch", rows)
    return "\n".join(lines)


def counts(step: dict) -> str:
    measured = ", ".join(f"{step[images]:,.0f} for {images}" for images in sorted(step, reverse=True))
    return (f"Counted: {sum(PARAMETERS):,} trained parameters in {len(buckets())} buckets of {' and '.join(f'{size:,}' for size in buckets())}; "
            f"{FLOP_PER_IMAGE / 1e6:.1f} MFLOP and {BYTES_PER_IMAGE / 1e6:.1f} MB of memory traffic an image; "
            f"{len(STATISTICS) + len(buckets())} all-reduces a step.\n"
            f"Measured: microseconds a step of so many images on one H200, {measured}. "
            f"At the published peaks its arithmetic and traffic would take {least_time(BATCH_PER_GPU):.0f} for {BATCH_PER_GPU}.\n")


def measured_step(text: str) -> tuple:
    images, _, microseconds = text.partition("=")
    return int(images), float(microseconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", type=measured_step, action="append", metavar="IMAGES=MICROSECONDS")
    parser.add_argument("--check", type=pathlib.Path, help="fail unless this document holds what is printed")
    parser.add_argument("--write", type=pathlib.Path, help="put it into this document")
    options = parser.parse_args()
    step = dict(options.step) if options.step else MEASURED_STEP
    expected = counts(step) + "\n" + tables(step)
    document = options.check or options.write
    if document is None:
        print(expected, end="")
        return 0
    before, begin, rest = document.read_text().partition("<!-- model:begin -->\n")
    found, end, after = rest.partition("<!-- model:end -->")
    assert begin and end, f"{document}: the markers are not there"
    if options.write:
        document.write_text(before + begin + expected + end + after)
    elif found != expected:
        sys.stdout.writelines(difflib.unified_diff(found.splitlines(True), expected.splitlines(True), str(document), "the model"))
        print(f"Renew it by: cluster/scaling_model.py --write {document}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

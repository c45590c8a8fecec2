"""The small bundle: LibTorch and NVIDIA's libraries are a Python's of the machine that it runs on, and the tests of a GPU are carried.

files_without_torch/lib/fer-ddp/pytorch.sh finds that Python, and links the folder of its packages to lib/fer-ddp/python-packages.
"""
import pathlib
import re
import shutil
import subprocess

from bundling import libraries

# What tests/gpu/run needs of the repository, at the same places below the bundle. C++ and CMake files stay behind.
TESTS = ("tests/gpu", "tests/e2e/harness.py", "tests/bench/peers", "launcher/experiments", "launcher/networks", "cluster/setup")
SOURCES = {".cpp", ".h", ".cu", ".cuh", ".cmake", ".clang-tidy"}

PACKAGES = "$ORIGIN/python-packages"


def torch_version(repository: pathlib.Path) -> str:
    pinned = (repository / "cluster" / "setup" / "libtorch_requirements.txt").read_text()
    return re.search(r"^torch==(\S+)", pinned, re.MULTILINE).group(1)


def take_out_torch(bundle: pathlib.Path) -> None:
    for folder in ("torch", "nvidia"):
        shutil.rmtree(bundle / "lib" / "fer-ddp" / folder)
    for wheel in ("torch-*", "nvidia_*"):
        for licence in (bundle / "share" / "doc" / "fer-ddp" / "licences").glob(wheel):
            shutil.rmtree(licence)


def add_cuda(build: pathlib.Path, bundle: pathlib.Path) -> None:
    """The plug-in and the test of NCCL, without the libraries that `cmake --install` would put beside them."""
    for name in ("libfer_ddp_cuda.so", "nccl_real_test"):
        target = bundle / "lib" / "fer-ddp" / name
        shutil.copy(build / "bin" / name, target)
        subprocess.run(["strip", target], check=True)


def add_tests(repository: pathlib.Path, bundle: pathlib.Path) -> None:
    listed = subprocess.run(["git", "-C", repository, "ls-files", "--cached", "--others", "--exclude-standard", "--", *TESTS],
                            capture_output=True, text=True, check=True).stdout.splitlines()
    for path in map(pathlib.Path, listed):
        if path.suffix not in SOURCES and path.name not in SOURCES:
            libraries.copy_file(repository / path, bundle / path)


# ICU's own empty table of data ("stubdata" in its sources): a header, and a count of none.
EMPTY_ICU_DATA = """
struct { unsigned short header_size; unsigned char magic[2]; unsigned short info_size, reserved; unsigned char kind[4], format[4], versions[8], padding[8];
         unsigned count, reserved_too; const void *first[4]; }
const %s = {32, {0xda, 0x27}, 20, 0, {0, 0, 2, 0}, {'T', 'o', 'C', 'P'}, {1}, {0}, 0, 0, {0}};
"""


def empty_icu_data(bundle: pathlib.Path, debian_files: dict) -> dict:
    """Puts an empty library in the place of ICU's data, a third of the bundle, and returns the files that are still Debian's. They are there
    because libarchive reads the tables of contents of xar archives by libxml2, which asks ICU about rare encodings; fer-ddp reads none of those."""
    replaced = [path for path in debian_files if path.name.startswith("libicudata.so.")]
    for path in replaced:
        symbol = f"icudt{path.name.rpartition('.')[2]}_dat"
        subprocess.run(["gcc", "-shared", "-fPIC", f"-Wl,-soname,{path.name},--build-id=none", "-x", "c", "-", "-o", path],
                       input=EMPTY_ICU_DATA % symbol, text=True, check=True)
    return {path: origin for path, origin in debian_files.items() if path not in replaced}


def set_run_paths(bundle: pathlib.Path) -> None:
    """As DT_RPATH, which comes before LD_LIBRARY_PATH and which libraries below inherit: the Python's folders, then the bundle's."""
    nvidia = [f"{PACKAGES}/nvidia/{folder}/lib" for folder in ("cu13", "nccl", "cudnn")]
    path = ":".join([f"{PACKAGES}/torch/lib", *nvidia, f"$ORIGIN/../{libraries.multiarch()}"])
    for name in ("libfer_ddp_training.so", "libfer_ddp_cuda.so", "nccl_real_test"):
        subprocess.run(["patchelf", "--force-rpath", "--set-rpath", path, bundle / "lib" / "fer-ddp" / name], check=True)

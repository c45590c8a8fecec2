"""Which of Debian's files a bundle carries: Open MPI and PMIx with their plug-ins, and every library that anything in the bundle leads to.

They keep the places below the bundle that they have below /usr, so that the folders they look for each other in are the same.
"""
import pathlib
import shutil
import subprocess
import sys

from bundling import elf

# The C library and the loader are the node's: both must be of one version, and the node's own drivers are built for its own.
GLIBC = {f"lib{name}.so" for name in ("c", "m", "dl", "rt", "pthread", "util", "resolv", "anl", "nsl")} | {"ld-linux-x86-64.so"}
# So are the libraries that belong to a kernel driver. What needs them loads where the node has them, and is passed over elsewhere.
DRIVERS = {"libcuda.so", "libnvidia-ml.so", "libibverbs.so", "librdmacm.so", "libmlx5.so", "libefa.so"}
# And where a bundle holds no LibTorch, these come with it.
OF_LIBTORCH = ("libc10", "libtorch", "libgomp", "libcudart", "libcupti", "libcublas", "libcudnn", "libnccl")

# Plug-ins of Open MPI that stay behind: those of OpenSHMEM, which is not carried, and those of networks by libraries that are not.
# Debian's own settings switch the latter off, and UCX reaches InfiniBand without them.
LEFT_PLUGINS = ("mca_atomic_*", "mca_memheap_*", "mca_scoll_*", "mca_spml_*", "mca_sshmem_*", "mca_btl_ofi.so", "mca_btl_openib.so",
                "mca_mtl_*", "mca_reachable_netlink.so")

USR = pathlib.Path("/usr")


def multiarch() -> str:
    return subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=True).stdout.strip()


def is_left_to_the_node(name: str) -> bool:
    return name.split(".so")[0] + ".so" in GLIBC | DRIVERS


def copy_file(source: pathlib.Path, target: pathlib.Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def copy_open_mpi(bundle: pathlib.Path) -> dict:
    """Returns where each copied file came from: {file in the bundle: file of Debian's}."""
    library_folder = USR / "lib" / multiarch()
    plugins = library_folder / "openmpi" / "lib" / "openmpi3"
    carried = [path for path in plugins.glob("mca_*.so") if not any(path.match(pattern) for pattern in LEFT_PLUGINS)]
    carried += (library_folder / "pmix2" / "lib" / "pmix").glob("*.so")
    carried += (library_folder / "pmix2" / "share").rglob("*.txt")
    carried += (library_folder / "ucx").glob("libuct_*.so.0")
    carried += (USR / "share" / "openmpi").glob("help-*.txt")
    origins = {bundle / path.relative_to(USR): path for path in carried}
    for program in ("orterun", "orted"):
        origins[bundle / "lib" / "fer-ddp" / program] = USR / "bin" / program
    origins[bundle / "etc" / "openmpi" / "openmpi-mca-params.conf"] = pathlib.Path("/etc/openmpi/openmpi-mca-params.conf")
    for target, source in origins.items():
        if not source.exists():
            sys.exit(f"error: {source} is not there\n  A bundle is made of Debian 12's own Open MPI: apt-get install openmpi-bin")
        copy_file(source, target)
    return origins


def copy_needed_libraries(bundle: pathlib.Path, left: tuple = ()) -> dict:
    """Copies what the bundle's programs and libraries lead to, but for names that begin with one of `left`, until nothing is missing. Returns
    as copy_open_mpi does."""
    folder = bundle / "lib" / multiarch()
    folder.mkdir(parents=True, exist_ok=True)
    there = {path.name for path in bundle.rglob("*.so*")}
    waiting = [path for path in bundle.rglob("*") if elf.is_elf(path)]
    origins = {}
    while waiting:
        asking = waiting.pop()
        missing = [name for name in elf.read(asking).needed if name not in there and not name.startswith(left) and not is_left_to_the_node(name)]
        found = elf.resolve(origins.get(asking, asking)) if missing else {}
        for name in missing:
            if name not in found:
                sys.exit(f"error: {asking.relative_to(bundle)} needs {name}, which is not on this machine")
            for source in [found[name], *found[name].parent.glob(f"glibc-hwcaps/*/{name}")]:
                target = folder / source.relative_to(found[name].parent)
                copy_file(source, target)
                origins[target] = source.resolve()
                waiting.append(target)
            there.add(name)
    return origins


def set_run_paths(bundle: pathlib.Path, debian_files: dict) -> None:
    """The programs get a run path that every library below them inherits, and Debian's libraries lose their own, which would hide
    it. As DT_RPATH, it comes before the node's LD_LIBRARY_PATH."""
    programs = bundle / "lib" / "fer-ddp"
    for program in ("fer-ddp", "orterun", "orted"):
        subprocess.run(["patchelf", "--force-rpath", "--set-rpath", f"$ORIGIN/../{multiarch()}", programs / program], check=True)
    for path in debian_files:
        if path.parent != programs and elf.is_elf(path) and elf.read(path).run_path:
            subprocess.run(["patchelf", "--remove-rpath", path], check=True)


def lowest_glibc(bundle: pathlib.Path) -> str:
    return ".".join(map(str, max(elf.read(path).glibc for path in bundle.rglob("*") if elf.is_elf(path))))

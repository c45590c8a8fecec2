"""What a program or shared library asks of the others, as `objdump -p` tells it."""
import dataclasses
import pathlib
import re
import subprocess


@dataclasses.dataclass
class Elf:
    needed: list    # names of the libraries that it is linked to
    run_path: str   # DT_RUNPATH, which hides the executable's own run path from the library's needs; "" where there is none
    glibc: tuple    # lowest version of glibc that has all it uses, such as (2, 36)


def is_elf(path: pathlib.Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def read(path: pathlib.Path) -> Elf:
    text = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True).stdout
    run_path = re.search(r"^\s+RUNPATH\s+(\S+)", text, re.MULTILINE)
    versions = re.findall(r"\bGLIBC_(\d+)\.(\d+)", text)
    return Elf(needed=re.findall(r"^\s+NEEDED\s+(\S+)", text, re.MULTILINE),
               run_path=run_path.group(1) if run_path else "",
               glibc=max(((int(major), int(minor)) for major, minor in versions), default=(2, 0)))


def resolve(path: pathlib.Path) -> dict:
    """Where the loader of this machine finds each library that `path` leads to; names that it does not find are left out."""
    text = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return {name: pathlib.Path(found) for name, found in re.findall(r"^\s+(\S+) => (/.*) \(0x", text, re.MULTILINE)}

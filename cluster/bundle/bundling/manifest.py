"""What a bundle says about itself: the versions of what it is made of, its licences, and a checksum of every file."""
import hashlib
import pathlib
import shutil
import subprocess
import sys


def packages_of(debian_files: list) -> dict:
    """{package: version} of the Debian packages that the files belong to."""
    # Debian 12 has merged /lib into /usr/lib, but dpkg may know a file by the place that its package names.
    places = {path: [str(path), str(path).removeprefix("/usr")] for path in debian_files}
    found = subprocess.run(["dpkg-query", "--search", *sum(places.values(), [])], capture_output=True, text=True, check=False).stdout
    owners = {place: packages.split(", ") for packages, place in (line.split(": ") for line in found.splitlines())}
    for path, names in places.items():
        if not any(name in owners for name in names):
            sys.exit(f"error: {path} belongs to no Debian package, so its licence is not known\n  A bundle is made on Debian 12, of its packages.")
    names = sorted({name for packages in owners.values() for name in packages})
    shown = subprocess.run(["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *names], capture_output=True, text=True,
                           check=True).stdout
    return dict(line.split() for line in shown.splitlines())


def copy_licences(bundle: pathlib.Path, packages: dict) -> None:
    for package in packages:
        target = bundle / "share" / "doc" / "fer-ddp" / "licences" / package
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(pathlib.Path("/usr/share/doc") / package / "copyright", target)


def checksum(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(bundle: pathlib.Path, commit: str, version: str, glibc: str, packages: dict) -> None:
    """MANIFEST: comments that `sha256sum --check` passes over, then its lines."""
    said = [f"commit {commit}", f"needs glibc {glibc}", *version.splitlines(),
            *(f"Debian package {name} {number}" for name, number in packages.items())]
    files = sorted(path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file())
    lines = [f"# {line}" for line in said] + [f"{checksum(bundle / file)}  {file}" for file in files]
    (bundle / "MANIFEST").write_text("\n".join(lines) + "\n")

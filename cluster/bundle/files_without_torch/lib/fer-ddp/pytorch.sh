# Sourced after environment.sh by what needs LibTorch: takes it, and NVIDIA's libraries, from the PyTorch of a Python of this node, and leaves
# in $programs the folder whose programs find them.
#
# The programs' run paths lead to python-packages beside them: a link to the folder that holds that Python's torch/ and nvidia/. It is made at
# the first start, by a rename, so that ranks that start at once do not meet half of it; later starts see that it is good, and ask no
# Python. Where the bundle's folder cannot be written to, the programs are copied to a folder of the user's own, and the link lies there.
# shellcheck shell=sh disable=SC2154  # $programs and $bundle come from environment.sh
wanted_torch=@TORCH_VERSION@
wanted_minor=${wanted_torch%.*}

# refuse WHAT [ADVICE]: said once a node, whatever the number of ranks.
refuse() {
  if [ "${OMPI_COMM_WORLD_LOCAL_RANK:-${SLURM_LOCALID:-0}}" = 0 ]; then
    printf 'error: %s: %s\n' "$(uname -n)" "$1" >&2
    printf '  %s\n' "${2:-This bundle of fer-ddp runs on the LibTorch of PyTorch $wanted_minor for CUDA 13: pip install torch==$wanted_torch, or FER_DDP_PYTHON=PATH of a Python that has it.}" >&2
  fi
  exit 2
}

# serves FOLDER: whether it holds the PyTorch that is wanted.
serves() {
  [ -e "$1/torch/lib/libtorch_cuda.so" ] && [ -e "$1/nvidia/cu13/lib/libcudart.so.13" ] && ls -d "$1/torch-$wanted_minor".*.dist-info >/dev/null 2>&1
}

# Sets $packages to the folder of FER_DDP_PYTHON's packages, or of python3's.
find_packages() {
  python=$(command -v "${FER_DDP_PYTHON:-python3}") || refuse "there is no Python named ${FER_DDP_PYTHON:-python3}"
  # Without importing torch, which takes seconds; a folder named torch where the command starts is not meant.
  answer=$("$python" -c 'if True:
    import importlib.metadata, importlib.util, pathlib, sys
    sys.path = [folder for folder in sys.path if folder]
    print(importlib.metadata.version("torch"), pathlib.Path(importlib.util.find_spec("torch").origin).parents[1])' 2>/dev/null) ||
    refuse "$python has no PyTorch"
  packages=${answer#* }
  case $answer in
    "$wanted_minor".*) ;;
    *) refuse "$python has PyTorch ${answer%% *}, not $wanted_minor" ;;
  esac
  serves "$packages" || refuse "PyTorch ${answer%% *} of $python is not built for CUDA 13, or its libraries are not in $packages/nvidia"
}

# Whether the user's own folder has all that the bundle's has.
own_folder_is_whole() {
  for file in "$bundle"/lib/fer-ddp/*; do
    [ ! -f "$file" ] || [ -f "$own/lib/fer-ddp/${file##*/}" ] || return 1
  done
  serves "$own/lib/fer-ddp/python-packages"
}

# Sets $programs to copies of the programs in a folder of the user's own, of which there is one for each bundle and each Python.
use_own_folder() {
  base=${TMPDIR:-/tmp}/fer-ddp-$(id -u)
  mkdir -m 700 "$base" 2>/dev/null || true
  if [ -L "$base" ] || ! [ -O "$base" ] || ! [ -w "$base" ]; then
    refuse "$bundle cannot be written to, and $base is not a folder of yours" "TMPDIR=FOLDER names another place for the links to PyTorch's libraries."
  fi
  own=$base/$({ printf '%s\n' "$bundle" "$packages"; cat "$bundle/MANIFEST"; } | sha256sum | cut -c 1-16)
  if ! own_folder_is_whole; then
    aside=$own.$(uname -n).$$
    mkdir -p "$aside/lib/fer-ddp"
    for file in "$bundle"/lib/fer-ddp/*; do
      [ ! -f "$file" ] || cp "$file" "$aside/lib/fer-ddp/" || refuse "$base has no room for 15 MB of programs"
    done
    ln -s "$bundle/lib/@MULTIARCH@" "$aside/lib/@MULTIARCH@"
    ln -s "$packages" "$aside/lib/fer-ddp/python-packages"
    # Another rank may have been quicker: its folder stays, unless a sweeper of old files has taken some of it.
    own_folder_is_whole || rm -rf "$own"
    mv -T "$aside" "$own" 2>/dev/null || rm -rf "$aside"
  fi
  programs=$own/lib/fer-ddp
  [ -x "$programs/fer-ddp" ] || refuse "no program may run in $base" "TMPDIR=FOLDER names another place for the links to PyTorch's libraries."
}

link=$programs/python-packages
if [ -n "${FER_DDP_PYTHON:-}" ] || ! serves "$link"; then
  find_packages
  if [ "$(readlink "$link")" != "$packages" ]; then
    aside=$link.$(uname -n).$$
    if ln -s "$packages" "$aside" 2>/dev/null; then
      mv -f -T "$aside" "$link"
    else
      use_own_folder
    fi
  fi
fi

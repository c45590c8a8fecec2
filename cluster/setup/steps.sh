# What quickstart, tests/run and the other set-up scripts share; sourced, never run.
# Each script names its work in steps: a title, then the command's own output, then the time it took.
# shellcheck shell=bash disable=SC2034  # its variables are for the scripts that source it

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache_folder=${XDG_CACHE_HOME:-$HOME/.cache}/fer-ddp

current_step=
name_failed_step() {
  local status=$?
  if [ "$status" -ne 0 ] && [ -n "$current_step" ]; then
    printf 'error: "%s" failed with exit code %d; the reason stands above\n' "$current_step" "$status" >&2
  fi
}
trap name_failed_step EXIT

# step TITLE COMMAND [ARGUMENT...]
step() {
  local started=$SECONDS
  current_step=$1
  printf '\n==> %s\n' "$1"
  "${@:2}"
  printf '    %s: done in %d s\n' "$1" $((SECONDS - started))
  current_step=
}

# fail EXIT_CODE WHAT [ADVICE]
fail() {
  current_step=
  printf 'error: %s\n' "$2" >&2
  [ -z "${3:-}" ] || printf '  %s\n' "$3" >&2
  exit "$1"
}

# Prints the comment that the calling script opens with.
print_help() {
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
}

# Prints how many compilers may run at once: one a core, each with 1.5 GB of memory.
build_jobs() {
  local memory_mb limit_mb jobs cores
  memory_mb=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
  limit_mb=$(awk '/^[0-9]+$/ { print int($1 / 1048576) }' /sys/fs/cgroup/memory.max 2>/dev/null || true)
  if [ -n "$limit_mb" ] && [ "$limit_mb" -lt "$memory_mb" ]; then memory_mb=$limit_mb; fi
  cores=$(nproc)
  jobs=$((memory_mb / 1536))
  if [ "$jobs" -gt "$cores" ]; then jobs=$cores; fi
  if [ "$jobs" -lt 1 ]; then jobs=1; fi
  echo "$jobs"
}

# configure_and_build PRESET [TARGET...]
configure_and_build() {
  local preset=$1 jobs torch_folder
  shift
  jobs=$(build_jobs)
  torch_folder=$("$repository/cluster/setup/install_dependencies" --print-torch-folder)
  # The folder is named anew each time, because CMake would go on using a cache folder that has since moved.
  step "Configure the $preset build" cmake -S "$repository" --preset "$preset" -D "FER_DDP_TORCH_ROOT=$torch_folder"
  step "Build ($preset, $jobs at a time)" cmake --build "$repository/build/$preset" --parallel "$jobs" ${1:+--target "$@"}
}

# Open MPI refuses to run as root unless told twice that this is meant, as in a container.
allow_mpi_as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
}

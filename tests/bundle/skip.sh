# What the tests of this folder do without; sourced. 77 is what CTest takes for "skipped".
# shellcheck shell=bash

skip() {
  echo "skipped: $1"
  exit 77
}

# Sets `root` to a system that make_root has made.
require_bare_system() {
  root=${XDG_CACHE_HOME:-$HOME/.cache}/fer-ddp/bare-$1
  [ "$(id -u)" -eq 0 ] || skip "changing into another root file system needs root"
  [ -e "$root" ] || skip "no bare system is in the cache: tests/bundle/make_root $1 makes it"
  unshare --mount --pid --ipc --uts --net --fork true 2>/dev/null || skip "this machine does not allow namespaces"
}

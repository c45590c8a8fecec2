# Sourced by the commands of the bundle, once $bundle is its folder: refuses a node whose C library is too old, and tells Open MPI and
# PMIx, which Debian built for /usr, where their files are. There is no LD_LIBRARY_PATH: each program here finds its libraries by a run
# path of its own, and programs of the node that are started from here (ssh, srun) go on finding theirs.
# shellcheck shell=sh disable=SC2034,SC2154  # $programs is for those that source this file, $bundle comes from them
programs=$bundle/lib/fer-ddp

lowest_glibc=@LOWEST_GLIBC@  # what the carried libraries ask for; written when the bundle is made
node_glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || node_glibc='no glibc'
node_minor=${node_glibc#glibc 2.}
case $node_minor in
  '' | *[!0-9]*) node_minor=0 ;;
esac
if [ "$node_minor" -lt "${lowest_glibc#2.}" ]; then
  printf 'error: %s has %s, and this bundle of fer-ddp needs glibc %s or newer\n' "$(uname -n)" "$node_glibc" "$lowest_glibc" >&2
  printf '  Debian 12, Ubuntu 24.04 and later have it. Elsewhere, run it in a container (cluster/container), or build it there.\n' >&2
  exit 2
fi

export OPAL_PREFIX="$bundle"
export OPAL_SYSCONFDIR="$bundle/etc/openmpi"
export PMIX_LIBDIR="$bundle/lib/@MULTIARCH@/pmix2/lib"
export PMIX_DATADIR="$bundle/lib/@MULTIARCH@/pmix2/share"
export PMIX_SYSCONFDIR="$PMIX_DATADIR"
export HWLOC_PLUGINS_PATH="$bundle/lib/@MULTIARCH@/hwloc"  # holds none: the node's own may be of another version

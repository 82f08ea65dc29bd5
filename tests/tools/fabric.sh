#!/bin/sh
# Runs a command in a space of its own: its network, mounts and processes. Machines of a test's cluster are joined to
# that network (tests/src/cluster), from which no way leads out; the command is at 10.44.0.1. Whatever the command has
# started ends with it, and it ends with this script, however that ends.
#
#   tests/tools/fabric.sh COMMAND [ARGUMENT]...      needs root
#
# With LOKA_KUBECONFIG the cluster is somebody else's, and the command runs as it is.
set -eu

if [ "${1:-}" = --inside ]; then
    shift
    mount --make-rprivate /
    ip link set lo up
    ip link add br0 type bridge
    ip address add 10.44.0.1/24 dev br0
    ip link set br0 up
    # kube-proxy of this side translates Services before a packet leaves; it must have somewhere to leave to.
    ip route add 10.96.0.0/16 dev br0
    # What passes between machines is not ours to translate.
    sysctl -q -w net.bridge.bridge-nf-call-iptables=0 2>/dev/null || true
    # The first process of a process space does not die of signals; it waits, and reaps.
    "$@" && exit 0 || exit $?
fi

if [ -n "${LOKA_KUBECONFIG:-}" ]; then
    exec "$@"
fi

remove() { # NAME: its control groups, and its directory
    for group in /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/"$1"; do
        [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + || true
    done
    rm -rf "${TMPDIR:-/tmp}/$1"
}

# What a run has left that was killed before it could clean up. The name has its process number.
for left in "${TMPDIR:-/tmp}"/loka-fabric-*; do
    name=${left##*/}
    [ ! -d "$left" ] || [ -d "/proc/${name##*-}" ] || remove "$name"
done

name=loka-fabric-$$
LOKA_FABRIC=${TMPDIR:-/tmp}/$name
export LOKA_FABRIC
mkdir "$LOKA_FABRIC"

setpriv --pdeathsig KILL \
    unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
    sh "$0" --inside "$@" &
child=$!
trap 'kill -KILL $child 2>/dev/null' INT TERM HUP
status=0
wait $child || status=$?
# A signal ends the wait, not the child.
wait $child 2>/dev/null || true
remove "$name"
exit $status

#!/bin/sh
# The first process of one machine of a test's cluster, in name spaces of its own (tests/src/cluster/machines.rs starts
# it, and tells by variables): network, private places to write, containerd, kubelet, kube-proxy. If it is killed, the
# machine is off: the kernel ends every process, mount and address in it.
#
#   NODE       its name
#   DIRECTORY  what it keeps and is told: containerd.toml, kubelet.yaml, kube-proxy.yaml, cni/
#   LOGS       where its programs and pods log
#   ADDRESS    its address; GATEWAY: that of the test; ROUTES: pods of other machines, CIDR@ADDRESS…
#   CGROUP     its control group, below the roots of all hierarchies
#   IMAGES     archives to import first
#   JOIN       a file: once it is there, the API server is, and so are the kubeconfigs
set -eu

log() { echo "$(cut -d ' ' -f 1 /proc/uptime) $*"; }

# A machine without one of its programs is of no use, and whoever waits for it is to know at once.
trap 'exit 1' TERM
run() { # LOG PROGRAM [ARGUMENT]...
    file=$1
    shift
    "$@" >>"$LOGS/$file.log" 2>&1 || true
    log "$1 ended: see $file.log"
    kill -TERM 1
}

log "$NODE starts"
hostname "$NODE"
ip link set lo up
# The test moves one end of a cable in.
until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip address add "$ADDRESS/24" dev eth0
ip link set eth0 up
ip route add default via "$GATEWAY"
for route in $ROUTES; do ip route add "${route%@*}" via "${route#*@}"; done
sysctl -q -w net.ipv4.ip_forward=1
sysctl -q -w net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true

# Paths that the programs insist on are private: over the owner's files, and gone with the machine.
mkdir -p "$DIRECTORY/private" "$LOGS"
mount -t tmpfs tmpfs /run
mkdir /run/netns
mount -t tmpfs tmpfs "$DIRECTORY/private"
for place in /var/lib /var/log; do
    upper=$DIRECTORY/private$place
    mkdir -p "$upper" "$upper.work"
    mount -t overlay overlay -o "lowerdir=$place,upperdir=$upper,workdir=$upper.work" "$place"
done
# Volumes of pods are mounted below it, and seen by kubelet and runtime alike.
mount --make-rshared /

mkdir -p "$DIRECTORY/containerd"
run containerd containerd --config "$DIRECTORY/containerd.toml" &
until ctr version >/dev/null 2>&1; do sleep 0.05; done
log "containerd answers"
for image in $IMAGES; do "${0%/*}/import-image.sh" "$image"; done
log "images are there"

# Every hierarchy, and what pods are given of it (version 2 of control groups has one, and hands down by name).
for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ -f "$root/cgroup.procs" ] || continue
    mkdir -p "$root/$CGROUP"
    for group in "$root/${CGROUP%/*}" "$root/$CGROUP"; do
        for set in cpuset.cpus cpuset.mems; do
            [ ! -f "$group/cgroup.clone_children" ] || [ ! -f "$root/$set" ] || cat "$root/$set" >"$group/$set"
        done
        [ ! -f "$group/cgroup.controllers" ] || for controller in $(cat "$group/cgroup.controllers"); do
            echo "+$controller" >"$group/cgroup.subtree_control"
        done
    done
done

until [ -e "$JOIN" ]; do sleep 0.05; done
run kubelet kubelet --config="$DIRECTORY/kubelet.yaml" --kubeconfig="$DIRECTORY/kubelet.kubeconfig" \
    --root-dir="$DIRECTORY/kubelet" --node-ip="$ADDRESS" --hostname-override="$NODE" &
run kube-proxy kube-proxy --config="$DIRECTORY/kube-proxy.yaml" &
log "kubelet and kube-proxy started"
# Reaps what containers leave behind.
while :; do wait || true; sleep 3600 & done

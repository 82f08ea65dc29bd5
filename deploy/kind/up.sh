#!/bin/sh
# From nothing to an accepted share: images, a kind cluster, the operator, a proxy, a practice pool
# and practice miners. Needed: docker, kind, kubectl, helm. Run it from anywhere.
#
#   deploy/kind/up.sh         everything
#   deploy/kind/up.sh apply   only what goes into the cluster that kubectl and helm point at, whose
#                             nodes have the images already
#
# Undo: kind delete cluster --name stratum
set -eu
cd "$(dirname "$0")/../.."
tag=0.1.0 # the chart's version, which is the tag that it looks for
practice=deploy/kind/practice.yaml
first=deploy/kind/quickstart.yaml

images() {
    for image in stratum-proxy stratum-operator loka-practice; do
        docker build --file deploy/Dockerfile --target "$image" --tag "$image:$tag" .
    done
}

cluster() {
    kind get clusters | grep -qx stratum || kind create cluster --config deploy/kind/cluster.yaml
    kubectl config use-context kind-stratum
    kind load docker-image --name stratum "stratum-proxy:$tag" "stratum-operator:$tag" "loka-practice:$tag"
}

apply() {
    helm upgrade --install stratum charts/loka-stratum --namespace stratum --create-namespace --wait --timeout 3m
    kubectl apply -f "$practice" -f "$first"
    kubectl -n mining wait stratumproxy/quickstart --for=condition=Ready --timeout=3m
    kubectl -n mining wait job/accepted-share --for=condition=Complete --timeout=5m
    kubectl -n mining get stratum
    kubectl -n mining logs deployment/practice-pool --tail=1
}

case "${1:-all}" in
all) images && cluster && apply ;;
apply) apply ;;
*) echo "usage: deploy/kind/up.sh [apply]" >&2 && exit 2 ;;
esac

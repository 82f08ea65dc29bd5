#!/bin/sh
# Gives an image to the containerd of this machine: import-image.sh ARCHIVE
set -eu
case $(ctr --version) in
*" v2."* | *" 2."*) exec ctr --namespace k8s.io images import --local "$1" ;;
*) exec ctr --namespace k8s.io images import "$1" ;;
esac

#!/usr/bin/env bash
# Renders the portraits of the embedded bundle, trains its networks and measures it: days on one core, hours on a GPU.
# Each step goes on where it was stopped, so the whole is run again after any interruption.
#
#   infra/embedded_bundle.sh WORK
set -euo pipefail
work=${1:?folder for portraits and trainings}

render() { oodinv portraits render --crop-size 128 "$@"; }
train() { oodinv train "$@"; }

# Portraits. Parts of one split begin at different numbers, so that no head is in two of them.
render --split train --count 8000 --accessory-share 0 --busy-share 0 --out "$work/clean"
render --split train --start 8000 --count 5000 --accessory-share 0.6 --busy-share 0.7 --out "$work/worn"

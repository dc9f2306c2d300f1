#!/usr/bin/env bash
# Makes the embedded bundle: renders its portraits, trains its networks, puts them together and measures them.
# Every step goes on where it was stopped; after an interruption run it again. On two cores it takes about a day.
#
#   infra/embedded_bundle.sh WORK
set -euo pipefail
work=${1:?give a folder for portraits and trainings}

render() { oodinv portraits render --crop-size 128 "$@"; }
train() { oodinv train "$@"; }

# Portraits: no head is in two of these, and no design of an accessory is in two splits.
render --split train --count 6000 --accessory-share 0 --busy-share 0 --out "$work/clean"
render --split train --start 8000 --count 5000 --accessory-share 0.6 --busy-share 0.7 --out "$work/worn"
oodinv portraits render --split train --start 8000 --count 3000 --accessory-share 0.6 --busy-share 0.7 \
    --out "$work/worn-256"
render --split val --count 300 --accessory-share 1 --out "$work/val"
render --split test --count 500 --accessory-share 0 --busy-share 0 --out "$work/test-clean"
render --split test --start 1000 --count 600 --accessory-share 1 --out "$work/test-worn"
oodinv portraits render --split test --start 1600 --count 60 --accessory-share 1 --crop-size 512 \
    --counterfactuals smile+2,age+2,gender+2,yaw+2,mouth_open+2 --out "$work/test-edits"

# Networks. The second regressor judges edits; it has seen none of the portraits that the first one has seen.
# All are trained against weights as the bundle stores them.
halve() {
    python - "$1" <<'END'
import os, sys
from safetensors.torch import load_file, save_file
path = sys.argv[1]
save_file({name: t.half() if t.is_floating_point() else t for name, t in load_file(path).items()}, path + ".half")
os.replace(path + ".half", path)
END
}
learn() {  # KIND FOLDER ARGUMENTS...: train what is not there
    if [ ! -e "$work/$2/$1.safetensors" ]; then train "$1" --out "$work/$2" "${@:3}"; fi
    case $1 in generator | encoder | decomposition) halve "$work/$2/$1.safetensors" ;; esac
}
# First by pixels alone, then by the regressor's eyes too.
learn generator generator-pixels --data "$work/clean" --set 'training.phases=[
    {resolution: 64, images: 24000, rate: 0.009, final_rate: 0.003},
    {resolution: 128, images: 56000, rate: 0.007, final_rate: 0.0003}]'
learn regressor regressor --data "$work/clean" --set training.images=200000
learn regressor judge --data "$work/worn" --set training.images=200000 --set training.seed=1 --set 'widths=[32,64,96,160]'
learn generator generator --data "$work/clean" --input generator="$work/generator-pixels" \
    --input regressor="$work/regressor" --set 'training.phases=[
    {resolution: 64, images: 40000, rate: 0.006, final_rate: 0.002},
    {resolution: 128, images: 20000, rate: 0.004, final_rate: 0.0003}]'
# An encoder for the first generator, and then from it one for the second.
learn encoder encoder-pixels --data "$work/clean" --data "$work/worn" --input generator="$work/generator-pixels" \
    --set training.images=40000
learn encoder encoder --data "$work/clean" --data "$work/worn" --input generator="$work/generator" \
    --input encoder="$work/encoder-pixels" --set training.images=40000
# While that one learns: a decomposition for the encoder there is, from which the others begin.
learn decomposition decomposition-first --data "$work/worn" \
    --input generator="$work/generator" --input encoder="$work/encoder-pixels" --set training.images=8000 \
    --set choices.refine_mask=false
refine() {  # FOLDER BEGIN DATA ARGUMENTS...: a decomposition for the encoder
    learn decomposition "$1" --data "$work/$3" --input generator="$work/generator" --input encoder="$work/encoder" \
        --input decomposition="$work/$2" --set training.supervision.overlap=2.0 "${@:4}"
}
refine decomposition-second decomposition-first worn --set training.images=12000 --set training.rate=0.0008 \
    --set training.final_rate=0.00005 --set choices.refine_mask=false
# Balanced classes teach what is rare and make masks too large: the end is taught with all pixels alike, at last with the
# masks that come out: fitted to the edges of the crop.
refine decomposition-third decomposition-second worn --set training.images=1600 --set training.rate=0.0003 \
    --set training.final_rate=0.00003 --set training.ema_images=400 --set training.supervision.balance=0 \
    --set choices.refine_mask=false
refine decomposition decomposition-third worn-256 --set training.images=4000 --set training.rate=0.0006 \
    --set training.final_rate=0.00003 --set training.ema_images=300 --set training.supervision.balance=0 \
    --set training.supervision.face=4.0 --set training.supervision.alignment=2.0
learn directions directions --data "$work/clean" --input generator="$work/generator" \
    --input regressor="$work/regressor" --set 'search.names=[smile,age,gender,yaw,mouth_open]'

# The bundle, and what it does with portraits and designs that it has never seen.
oodinv bundle build --generator "$work/generator" --encoder "$work/encoder" --decomposition "$work/decomposition" \
    --directions "$work/directions" --name embedded --version 0.3 --licence Apache-2.0 \
    --provenance "trained by this project on portraits that it renders itself (oodinv.portraits, CC0 assets)" \
    --note "A small model that shows the whole pipeline without a download. It was trained on rendered portraits: on
photographs of real people it is rough. It is meant for trying, testing and developing; bring your own bundle for work." \
    --limits "Its faces and hair are soft: it draws what 128 pixels and hours on two cores have taught it, and thin things
such as rims of glasses or letters are finer than its masks. Ages run from about 21 to 85, yaw from -35 to 35 degrees.
\"Gender\" is the masculine or feminine appearance of a parametric head, nothing else. Colours of real photographs, hair
styles and expressions that the studio cannot render are out of domain: they are kept from the photo, or lost." \
    --out "$work/embedded"
oodinv evaluate --bundle "$work/embedded" --dataset "$work/test-clean" --dataset "$work/test-worn" \
    --dataset "$work/test-edits" --regressor "$work/judge" --sheets --out "$work/evaluation"
python -m oodinv.evaluation.card "$work/embedded" "$work/evaluation"

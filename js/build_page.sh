#!/usr/bin/env bash
# Bundle the decoder of the page that `medroi view` serves, into ../src/medroi/serving/decoder, with the licences of what is in it.
#
# Needs node_modules and what build.sh makes. Compressors of other codecs than MedROI stay out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

out=../src/medroi/serving/decoder
meta="$(mktemp)"
trap 'rm -f "$meta"' EXIT
rm -rf "$out"
node_modules/.bin/esbuild page/decoder.js --bundle --format=esm --splitting --minify --log-level=error \
    --legal-comments=inline '--external:numcodecs/*' --outdir="$out" --metafile="$meta"
node page/licenses.js "$meta" >"$out/LICENSES.txt"

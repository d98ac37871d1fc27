#!/bin/sh
# nbclient 0.11.0, `jupyter execute`: options of NotebookClient on the command line are taken, and have no effect.
#
# The command makes its NotebookClient without its own configuration, and says nothing of options that nobody reads. With
# --NotebookClient.kernel_manager_class=…GatewayKernelManager, a notebook that should run on another machine runs on this
# one. Here the class does not even exist. NotebookClient itself refuses it.
#
# Output seen:
#   jupyter execute: 42
#   NotebookClient: TraitError
#
# Source: nbclient/cli.py, NbClientApp.run_notebook(): `NotebookClient(nb, timeout=…, …)` has no `parent` and no `config`.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nbclient==0.11.0 ipykernel==7.4.0
cd "$folder"
cat >notebook.ipynb <<'JSON'
{"cells": [{"cell_type": "code", "metadata": {}, "execution_count": null, "outputs": [], "source": "print(6 * 7)"}],
 "metadata": {"kernelspec": {"name": "python3", "display_name": "Python"}}, "nbformat": 4, "nbformat_minor": 5}
JSON
HOME=$folder venv/bin/jupyter-execute --inplace --NotebookClient.kernel_manager_class=nowhere.Nothing notebook.ipynb \
  2>/dev/null
HOME=$folder venv/bin/python - >output <<'PYTHON'
import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

notebook = nbformat.read("notebook.ipynb", as_version=4)
print("jupyter execute:", notebook.cells[0].outputs[0].text.strip())
try:
    NotebookClient(notebook, config=Config(NotebookClient={"kernel_manager_class": "nowhere.Nothing"})).execute()
except Exception as error:
    print("NotebookClient:", type(error).__name__)
PYTHON
cat output
printf 'jupyter execute: 42\nNotebookClient: TraitError\n' | cmp -s - output || {
  echo "nbclient behaves differently now" >&2
  exit 1
}

# make demo [DATA=folder]   train, predict and evaluate: on sample scenes, or on your own images and masks
# make test                 linting, types and tests, as CI runs them
# make kills                the test of resuming with sixty kills instead of five (about ten minutes)
# make bounds               the memory of predicting images of 100 megapixels and a folder of 10,000 images
# make clean                remove .venv, runs and caches
PYTHON ?= python3
DATA ?=
BIN := .venv/bin
INSTALL := $(BIN)/pip install --disable-pip-version-check -q -c constraints.txt

.PHONY: demo test kills bounds clean

demo: .venv/package
	@set -eu; data='$(DATA)'; options='--steps 600'; \
	case "$$(realpath -m "$${data:-.}")/" in "$(CURDIR)/runs/demo/"*) \
		echo "DATA=$$data lies in runs/demo, which is deleted first: move it elsewhere" >&2; exit 2;; \
	esac; rm -rf runs/demo; set -x; \
	if [ -z "$$data" ]; then \
		data=runs/demo/data; options='--epochs 20 --size 128'; $(BIN)/sam2unet data scenes $$data; \
	elif [ ! -d "$$data/test" ]; then \
		$(BIN)/sam2unet data split "$$data" --out runs/demo/data; data=runs/demo/data; \
	fi; \
	$(BIN)/sam2unet train "$$data" --out runs/demo --trunk-weights none $$options; \
	$(BIN)/sam2unet predict runs/demo/best.safetensors "$$data/test" --out runs/demo/masks \
		--overlay --save probability; \
	$(BIN)/sam2unet evaluate runs/demo/masks "$$data/test" --json runs/demo/metrics.json \
		--html runs/demo/evaluation.html --title "SAM2-UNet on $$data/test"
	@echo "Done: open $(CURDIR)/runs/demo/evaluation.html, and report.html beside it for the training. The model, masks and overlays are in the same folder."

test: .venv/tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist worksteal

kills: .venv/tests
	SAM2UNET_KILLS=60 $(BIN)/pytest tests/training/test_resume.py -k killed_at -s

bounds: .venv/tests
	SAM2UNET_BOUNDS=1 $(BIN)/pytest tests/prediction/test_bounds.py -s

.venv/package: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) -e .
	@touch $@

.venv/tests: .venv/package
	$(INSTALL) -e '.[openvino,onnx,heic,medical,serve,docs,peers,dev]'
	@touch $@

clean:
	rm -rf .venv runs .mypy_cache .pytest_cache .ruff_cache

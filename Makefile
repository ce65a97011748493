# make chat    安装、建索引、打开聊天页面
# make test    安装、检查、测试
# make install 只安装
# Linux 只要 CPU 版 torch：make chat TORCH_INDEX=https://download.pytorch.org/whl/cpu

VENV ?= .venv
TORCH_INDEX ?=
# The first Python on the path that is new enough and really starts.
FITS := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
  $$python $(FITS) 2>/dev/null && { echo $$python; break; }; done)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: chat test thorough install clean

chat: install
	@$(BIN)/assistant serve

test: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache
	@$(BIN)/assistant check
	@$(BIN)/python -m pytest -q
	@$(BIN)/assistant eval --gate

# Ten thousand texts for each property; two minutes.
thorough: $(VENV)/.dev
	@HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -q tests/test_properties.py tests/knowledge/test_chinese_text.py

install: $(VENV)/.runtime

$(VENV)/.venv:
	@$(PYTHON) $(FITS) 2>/dev/null || { \
	  echo "需要 Python 3.11 到 3.13，没有找到。装好后可以用 make PYTHON=/路径/python3.12 指定。"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "建不了虚拟环境；Debian/Ubuntu 请先运行 sudo apt-get install python3-venv"; exit 2; }
	@touch $@

$(VENV)/.runtime: $(VENV)/.venv pyproject.toml constraints.txt
	@if [ "$$(uname -s)" = Linux ] && [ -z "$(TORCH_INDEX)" ]; then \
	  echo "Linux 上 torch 默认可能带几 GB 的 CUDA 包；只要 CPU 版请按 Ctrl-C，改用：make $(firstword $(MAKECMDGOALS) chat) TORCH_INDEX=https://download.pytorch.org/whl/cpu"; fi
	@$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@$(PIP) -e ".[dev]"
	@touch $@

clean:
	@rm -rf $(VENV) build dist *.egg-info

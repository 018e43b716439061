.DEFAULT_GOAL := help
.PHONY: help tools install run dev test lint fix types templates check lock words bench
BIN := .venv/bin
export PORTAL_ENV ?= development

help: ## この一覧を表示 / show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: tools ## .venv に必要なものをそろえる / install the app and the tools
	@bash -c '. .ci/prepare.sh && compile_words'

tools:
	@bash -c '. .ci/prepare.sh && install_locked requirements-dev.lock && make_instance'

run: ## 準備して http://127.0.0.1:8000 で動かす / set up and serve
	@./run

dev: install ## 書きかえると読み直すサーバー / serve with reload and debugger
	$(BIN)/flask --app wsgi --debug run --port $${PORT:-8000}

test: install ## テスト（一部だけ: make test T=tests/referrals） / run the tests, or some
	$(BIN)/python -m pytest $(T)

lint: install ## 書き方の検査 / find what ruff dislikes
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

fix: install ## 直せる書き方を直す / repair what ruff and djlint can
	$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/djlint templates --reformat --quiet

types: install ## 型の検査 / check the types
	$(BIN)/mypy

templates: install ## テンプレートの検査 / check the templates
	$(BIN)/djlint templates --check --lint --quiet

check: lint types templates test ## コミット前にすべて / all that must pass before a commit

# Without a header, an update would put one there that is marked fuzzy, and no word of the catalogue would count.
words: tools ## 訳文の台帳を新しくする / refresh the catalogue of words
	@test ! -f $(ENGLISH) || $(BIN)/python .ci/compile_words.py --untranslated-may-wait
	$(BIN)/pybabel --quiet extract --mapping pyproject.toml --keywords N_ --keywords lazy_gettext \
		--no-location --sort-output --omit-header --output-file instance/words.pot .
	@test -f $(ENGLISH) || $(BIN)/pybabel --quiet init -i instance/words.pot -d portal/translations -l en
	$(BIN)/pybabel --quiet update --input-file instance/words.pot --output-file $(ENGLISH) --locale en \
		--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap
	@$(BIN)/python .ci/compile_words.py --untranslated-may-wait
ENGLISH := portal/translations/en/LC_MESSAGES/messages.po

lock: install ## 依存の版を固定しなおす / pin the dependencies anew
	$(BIN)/uv pip compile $(LOCK) pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile $(LOCK) pyproject.toml --group dev --constraints requirements.lock --output-file requirements-dev.lock
LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

bench: install ## 速さを測る / measure the pages against a bare Flask page
	$(BIN)/python -m tests.bench.pages $(B)

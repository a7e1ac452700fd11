# make help lists what there is. Everything happens in .venv; nothing else is touched.

PYTHON ?= python3
# The time of all files that are built: that of the commit, or else what hatchling takes. Not for
# what is installed: Python would then read and hash each source file whenever it is imported.
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),1580601600)
DATED := SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH)
VENV := .venv
LOCK := tests/requirements.txt
BIN := $(VENV)/bin
SOURCES := $(shell find docker_credential_ecr_login -name '*.py' -o -path '*/launcher/*' -o -path '*/building/*.*' -o -name '*.txt')

VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' docker_credential_ecr_login/protocol.py)
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
TESTS := --noconftest tests/test_models.py tests/test_other_systems.py tests/test_registry.py
endif

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 17

install: $(VENV)/installed ## make .venv, with the package and the development tools in it

$(VENV)/installed: pyproject.toml README.md $(LOCK) $(SOURCES)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps --no-build-isolation .
	@touch $@

lock: install ## renew the versions and hashes of the development tools
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--extra dev --upgrade pyproject.toml -o $(LOCK)

suffixes: install ## renew the list of domains below which anybody can have a name
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade publicsuffixlist
	$(BIN)/python -m docker_credential_ecr_login.building.public_suffixes

test: install ## run the tests, in parallel; on Windows those that need nothing of POSIX
	$(BIN)/python -m pytest -n auto --dist worksteal $(TESTS)

test-standalone: standalone ## run the tests by what make standalone has made; TESTS=
	ECR_LOGIN_STANDALONE=1 $(BIN)/python -m pytest -n auto --dist worksteal $(TESTS)

pythons: install ## run the tests with each Python, and the newest and oldest dependencies
	$(BIN)/tox run

oldest: install ## run tests with the oldest dependencies that pyproject.toml allows
	$(BIN)/tox run -e 3.11-oldest

emulator: install ## run AWS and an ECR registry on this machine, for any client, until Ctrl-C
	$(BIN)/python -m tests.emulator

installers: install ## try each way to install: pip, pipx and uv, and what an older Python says
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest -n auto tests/installers.py

demo: install ## show the helper at work against an AWS emulator; needs no account
	$(BIN)/python -m tests.demo

bench: install ## whole processes against PEER=/another/helper, AWS answering after DELAY_MS
	$(BIN)/python -m tests.bench

fresh: install ## from nothing installed to the first token, by each way to install
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m tests.bench.fresh

fleet: install ## simulate fleets that start cold at AWS's limit, by retry policy
	$(BIN)/python -m tests.bench.fleet

fuzz: install ## fuzz what is read for SECONDS; launcher, and what is sent ahead, with QUESTIONS (Linux)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris # not for every platform
	$(BIN)/python -m tests.fuzz $(or $(SECONDS),10)
	$(BIN)/python -m tests.differential $(or $(QUESTIONS),10000)
	QUESTIONS=$(or $(QUESTIONS),10000) $(BIN)/python -m pytest -q --timeout 0 tests/test_ahead.py \
		-k what_botocore_asks_for

stress: install ## 200 callers at once for SECONDS, and 300 that are killed
	$(BIN)/python -m tests.stress --seconds $(or $(SECONDS),60)

smoke: install ## ask the real AWS a dozen questions, with your credentials; ROLE_ARN=, IMAGE=name:tag
	$(BIN)/python -m tests.smoke --role-arn "$(ROLE_ARN)" --image "$(IMAGE)"

lint: install ## check style, and that imports run one way
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: install ## check types
	$(BIN)/mypy

audit: install ## look for known vulnerabilities, in the code and in what is installed
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive docker_credential_ecr_login
	$(BIN)/pip-audit --progress-spinner off --require-hashes --disable-pip -r $(LOCK)

format: install ## mend what style checks can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clients: install ## Debian's docker, podman, skopeo and buildah, and today's clients that build fast (Linux, root)
	$(BIN)/python -m tests.clients.build
	tests/clients/run

clients-all: install ## all clients, kubelet's own code, and README's table of them; takes Go and an hour
	cd tests/clients/kubelet && go build -o "$(abspath $(BIN))/kubelet-credentials" .
	$(BIN)/python -m tests.clients.build --all
	tests/clients/run --every-client --results .clients/ours.json
	ECR_LOGIN_COMPARED=yes tests/clients/run --every-client --results .clients/theirs.json -m column \
		--tb=no || [ $$? = 1 ] # which says that tests failed, as some do with that helper
	$(BIN)/python -m tests.clients.table .clients/ours.json .clients/theirs.json README.md

workflows: install ## check GitHub's workflows and the action: zizmor, and actionlint where Go is
	$(BIN)/zizmor --offline --quiet .github action.yml
	@if command -v go >/dev/null; then go run $(ACTIONLINT); else echo "NOT TRIED: actionlint"; fi

build: install ## make the sdist and the wheels, of which one is for Windows, in dist/
	$(DATED) $(BIN)/python -m build
	$(DATED) _PYTHON_HOST_PLATFORM=win-amd64 $(BIN)/python -m build --wheel

standalone: install ## make a tarball in dist/ that needs no Python, nor a glibc after GLIBC
	$(DATED) $(BIN)/python -m docker_credential_ecr_login.building.standalone $(GLIBC)

packages: standalone ## make a .deb and an .rpm of it in dist/ (Linux; dpkg-deb, rpmbuild)
	$(DATED) $(BIN)/python -m docker_credential_ecr_login.building.packages

image: standalone ## make an OCI image of it in dist/, to COPY --from (Linux; buildah)
	$(DATED) $(BIN)/python -m docker_credential_ecr_login.building.image

sbom: build ## list what the wheel brings, in dist/, as CycloneDX has it
	rm -rf build/sbom
	$(PYTHON) -m venv --without-pip build/sbom
	sed -n 's/^\([^ ]*==[^ ;]*\).*/\1/p' $(LOCK) > build/sbom/constraints.txt
	$(BIN)/python -m pip --python build/sbom/bin/python install --quiet --disable-pip-version-check \
		--constraint build/sbom/constraints.txt dist/docker_credential_ecr_login-$(VERSION)-py3-none-any.whl
	$(BIN)/python -m docker_credential_ecr_login.building.sbom build/sbom/bin/python \
		dist/docker-credential-ecr-login-$(VERSION).cdx.json

checksums: ## write dist/SHA256SUMS, of all that is in dist/
	rm -f dist/SHA256SUMS
	mkdir -p build
	cd dist && sha256sum * > ../build/SHA256SUMS
	mv build/SHA256SUMS dist

release-notes: install ## print what CHANGELOG.md says of this version; TAG=, REPOSITORY=owner/name
	@$(BIN)/python -m docker_credential_ecr_login.building.release_notes "$(TAG)" "$(REPOSITORY)"

clean: ## remove all that make made
	rm -rf $(VENV) .tox .clients dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The first command installs everything it needs into this folder:
#   .venv/           the tools, the local stack and the tests
#   .venv-sam/       aws-sam-cli, which pins its own boto3
#   .venv-emulator/  the AWS emulator
#   .venv-bench/     what the benchmarks draw and profile with; only by `make bench`
#   .venv-checks/    the scanner of the template's policies, and AWS's reference of permissions
# Each is rebuilt when its requirements change, from pinned and hashed packages only.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# Container images often set it, and every program would then compile all its imports again.
unexport PYTHONDONTWRITEBYTECODE
# Trust the certificates that the machine trusts, as pip does: a company's proxy may have its own.
export UV_SYSTEM_CERTS := 1

python := .venv/bin/python
uv := .venv/bin/uv
sam := .venv-sam/bin/sam
environments := .venv/.installed .venv-sam/.installed .venv-emulator/.installed

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^# --- / { gsub(/^# --- | -+$$/, ""); printf "\n%s\n\n", $$0 } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- The local stack ------------------------------------------------------------------------------

.PHONY: up
up: $(environments) ## Start the stack on this machine; DETACH=1 leaves it in the background
	@exec $(python) -m local up $(if $(DETACH),--detach)

.PHONY: down
down: .venv/.installed ## Stop the stack; its data is kept
	@exec $(python) -m local down

.PHONY: status
status: .venv/.installed ## Show the addresses of the running stack; exits with 1 if none runs
	@exec $(python) -m local status

.PHONY: reload
reload: $(environments) ## Bring your changes of the code into the running stack
	@exec $(python) -m local reload

.PHONY: logs
logs: .venv/.installed ## Follow the functions' logs; FOLLOW= prints them and ends
	@exec $(python) -m local logs $(if $(FOLLOW),--follow)
FOLLOW ?= 1

.PHONY: inbox
inbox: .venv/.installed ## Open the local stack's inbox in a browser
	@exec $(python) -m local inbox

.PHONY: demo
demo: $(environments) ## Sign up, confirm, publish and unsubscribe, as readers and an author do; PICTURES=1 shows the studio, too
	@exec $(python) -m local.demo $(if $(PICTURES),--pictures)

.PHONY: sam-local
sam-local: $(environments) ## Run every function and the API in `sam local`; needs a Docker engine
	@exec $(python) -m local sam-local

# --- Operating a stack: STACK=news REGION=eu-central-1, or without them the local one -------------

.PHONY: deploy
deploy: .venv/.installed .venv-sam/.installed ## Deploy STACK= to AWS: asks six questions the first time, and updates it later; SET="Name=value"
	@exec $(python) -m operations deploy $(if $(STACK),--stack "$$STACK" $(in_region)) \
		$(if $(SET),--set "$$SET") $(if $(LIST),--list "$$LIST") $(ARGS)
# ARGS="--help" lists a flag for each question.
export SET

# The same commands run against STACK= on AWS, and without it against the stack on this machine.
operations = exec $(python) -m $(if $(STACK),operations,local)
of_stack = $(if $(STACK),--stack "$$STACK" $(in_region))
in_region = $(if $(REGION),--region "$$REGION")
export NAME STACK REGION ROLE EMAIL GITHUB GITHUB_ID
rights = $(if $(ROLE),--role "$$ROLE") $(if $(EMAIL),--email "$$EMAIL") \
	$(foreach address,$(TEST),--test-address '$(address)')
of_github = $(if $(GITHUB),--github "$$GITHUB") $(if $(GITHUB_ID),--repository-id "$$GITHUB_ID")

.PHONY: author
author: .venv/.installed ## Add the author NAME= and print their token; ROLE=write EMAIL= TEST="addresses"; or the workflows of GITHUB=jo/letters@main GITHUB_ID=
	@[[ -n "$${NAME:-}" ]] || { echo "Say who: make author NAME=jo" >&2; exit 1; }
	@$(operations) authors add "$$NAME" $(rights) $(of_github) $(of_stack)

.PHONY: change-author
change-author: .venv/.installed ## Change the ROLE= (write, publish, manage), EMAIL= or TEST= of the author NAME=
	@[[ -n "$${NAME:-}" ]] || { echo "Say whose: make change-author NAME=jo ROLE=publish" >&2; exit 1; }
	@$(operations) authors change "$$NAME" $(rights) $(of_stack)

.PHONY: authors
authors: .venv/.installed ## List the authors with their roles
	@$(operations) authors list $(of_stack)

.PHONY: renew
renew: .venv/.installed ## Print a second token for the author NAME=
	@[[ -n "$${NAME:-}" ]] || { echo "Say who: make renew NAME=jo" >&2; exit 1; }
	@$(operations) authors renew "$$NAME" $(of_stack)

.PHONY: revoke
revoke: .venv/.installed ## Revoke the tokens of the author NAME=; with OLD=1 all but the newest
	@[[ -n "$${NAME:-}" ]] || { echo "Say whose: make revoke NAME=jo" >&2; exit 1; }
	@$(operations) authors revoke "$$NAME" $(if $(OLD),--old) $(of_stack)

.PHONY: rotate-keys
rotate-keys: .venv/.installed ## Add a signing key; the second run makes it sign; RETIRE=1 removes key 1, if it leaked
	@$(operations) keys $(if $(RETIRE),retire "$$RETIRE",rotate) $(of_stack)
export RETIRE

.PHONY: keys
keys: .venv/.installed ## List the signing keys
	@$(operations) keys list $(of_stack)

.PHONY: dead-letters
dead-letters: .venv/.installed ## Show messages that failed for good; BACK=requests retries a queue's, DROP=requests deletes them
	@$(operations) dead-letters \
		$(if $(BACK),back "$$BACK",$(if $(DROP),drop "$$DROP",show) $(if $(BODIES),--bodies)) $(of_stack)
export BACK DROP

.PHONY: doctor
doctor: .venv/.installed ## Check what a stack still needs before it can send; LIST=10000 JSON=1
	@$(operations) doctor $(if $(LIST),--list "$$LIST") $(if $(DNS),--dns "$$DNS") $(if $(JSON),--json) $(of_stack)
export LIST DNS

.PHONY: smoke
smoke: .venv/.installed ## Test a stack end to end; SES's simulator plays the readers
	@$(operations) smoke $(of_stack)

.PHONY: bill
bill: .venv/.installed ## Print a month's bill, line by line; LIST=10000 ISSUES=4 REGION=eu-central-1
	@exec $(python) -m operations bill $(if $(LIST),--list "$$LIST") $(if $(ISSUES),--issues "$$ISSUES") \
		$(in_region) $(if $(STACK),--stack "$$STACK") $(if $(JSON),--json) $(BILL)
export ISSUES

.PHONY: sign-ups
sign-ups: .venv/.installed ## Count the sign-ups kept without a mail; RELEASE=1 mails them; REASON=unproven SINCE= UNTIL=
	@$(operations) sign-ups $(if $(RELEASE),--release) $(if $(REASON),--reason "$$REASON") \
		$(if $(SINCE),--since "$$SINCE") $(if $(UNTIL),--until "$$UNTIL") $(if $(JSON),--json) $(of_stack)
export REASON SINCE UNTIL

.PHONY: unsubscribe
unsubscribe: .venv/.installed ## Unsubscribe by mails to UnsubscribeMailbox, MAILS=leave.mbox, or by ids on standard input
	@$(operations) unsubscribe $(MAILS) $(of_stack)

# --- Checks ---------------------------------------------------------------------------------------

# In parallel: the tests spend half of their time waiting.
.PHONY: test
test: ## Run every check, and every test but the long ones
	@$(MAKE) --jobs=2 check tests || { \
		echo "Not passed: see above, or run \`make check\` and \`make tests\` one by one." >&2; exit 1; }

# The domain, web and mail without a browser, and the functions that a sign-up and a mail pass.
# What waits for timeouts, what feeds much text, and files of other newsletters are left to `make test`.
quick := tests/broadsheet $(patsubst %,tests/functions/test_%.py,sample_events every_event \
	subscribe confirm unsubscribe authorize enroll sending)
slow := tests/broadsheet/database tests/broadsheet/transfer tests/broadsheet/test_outbound.py \
	$(patsubst %,tests/broadsheet/mail/test_%.py,phones accessibility looks bounded_work) \
	tests/broadsheet/web/test_accessibility.py

.PHONY: quick
quick: .venv/.installed ## Run the tests of the inner loop, in under a minute; PYTEST="-k bounce" runs some
	@exec $(python) -m pytest --quiet --numprocesses auto $(quick) $(addprefix --ignore=,$(slow)) $(PYTEST)

.PHONY: tests
tests: $(environments) .venv-checks/.installed
	@echo "pytest"
	@$(pytest) -m "not long" $(PYTEST)

.PHONY: test-long
test-long: $(environments) .venv-checks/.installed ## Run the long tests: more stacks, every request that the API's description allows, texts made to take long
	@$(pytest) -m long $(PYTEST)

pytest = env -u MAKEFLAGS -u MAKELEVEL $(python) -m pytest --numprocesses $(PROCESSES) # tests call make, too
# One more than two cores have: the journeys and the fault suite mostly wait.
PROCESSES ?= 3

.PHONY: test-faults
test-faults: $(environments) ## Send while processes are killed, ROUNDS=200 times; FORM=big sends one large issue
	@PYTHONPATH=layers/common:. exec $(python) -m tests.faults \
		--form $(FORM) --rounds $(ROUNDS) --audience $(AUDIENCE) --seed $(SEED)
FORM ?= long
ROUNDS ?= 200
AUDIENCE ?= 100000
SEED ?= 1

.PHONY: bench
bench: .venv/.installed .venv-sam/.installed .venv-bench/.installed ## Measure speed and cost; SIZE=10000 makes it short, ONLY=profile runs one part
	@status=0; PYTHONPATH=layers/common:. $(python) -m bench $(if $(SIZE),--size $(SIZE)) \
		$(if $(ONLY),--only $(ONLY)) || status=$$?; \
	if [[ -e build/bench.json ]]; then .venv-bench/bin/python -m bench.plot; fi; \
	exit $$status # a run that misses a target is drawn, too

.PHONY: pictures
pictures: .venv/.installed ## Take the README's pictures of the stack that runs on this machine
	@exec $(python) -m tests.pictures

.PHONY: openapi
openapi: .venv/.installed ## Write the description of the API: docs/openapi.json, docs/api.md
	@PYTHONPATH=layers/common:. exec $(python) -m openapi

.PHONY: catalogues
catalogues: .venv/.installed ## Bring the catalogues of the readers' texts up to date; LANGUAGE=fr begins another
	@PYTHONPATH=layers/common:. $(python) -m translations update $(LANGUAGE)

.PHONY: pseudo-language
pseudo-language: .venv/.installed ## Write the language that tests the layout; PSEUDO_LANGUAGE=true make up offers it
	@PYTHONPATH=layers/common:. $(python) -m translations pseudo

.PHONY: page-pictures
page-pictures: .venv/.installed ## Take the pictures of docs/readers.md: every page, narrow and wide; PAGE=confirm takes one
	@PYTHONPATH=layers/common:. exec $(python) -m tests.page_pictures $(if $(PAGE),--page "$$PAGE")
export PAGE

.PHONY: studio-pictures
studio-pictures: .venv/.installed ## Take the pictures of docs/studio.md: its screens, narrow and wide; SCREEN=person takes one
	@PYTHONPATH=layers/common:. exec $(python) -m tests.studio_pictures $(if $(SCREEN),--screen "$$SCREEN")

.PHONY: mail-pictures
mail-pictures: .venv/.installed ## Take pictures of every mail in a theme, and check it; THEME=tide
	@PYTHONPATH=layers/common:. exec $(python) -m tests.mail_pictures \
		$(if $(THEME),--theme "$$THEME") $(if $(DOCS),--docs)
export THEME

.PHONY: client-support
client-support: .venv/.installed ## Renew the table of what mail clients can do; CANIEMAIL= names a clone of its data
	@PYTHONPATH=layers/common:. exec $(python) -m tests.client_support $(CANIEMAIL)

.PHONY: model
model: .venv/.installed ## Check the model of delivery in every interleaving; CONFIG=core checks one configuration
	@exec $(python) tests/model/delivery_model.py $(if $(CONFIG),--config $(CONFIG))

# Templates without SAM's transform.
plain := infra/budget.yaml infra/database.yaml infra/deployer.yaml infra/front.yaml \
	infra/monitoring.yaml infra/storage.yaml

.PHONY: check
check: $(environments) .venv-checks/.installed ## Check format, lint, types, import directions and the templates
	@echo "ruff format"; $(python) -m ruff format --quiet --check .
	@echo "ruff check"; $(python) -m ruff check --quiet .
	@echo "mypy"; $(python) -m mypy --no-error-summary
	@echo "lint-imports"; $(call quietly,PYTHONPATH=layers/common:cli:. .venv/bin/lint-imports)
	@echo "sam validate"; $(call quietly,AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 $(sam) validate --lint)
	@echo "cfn-lint"; $(call quietly,.venv-sam/bin/cfn-lint $(plain))
	@echo "checkov"; mkdir -p build/templates && cp $(plain) build/templates
	@$(call quietly,AWS_DEFAULT_REGION=us-east-1 .venv-sam/bin/python tests/template/transform.py \
		template.yaml build/templates/template.json)
	@$(call quietly,.venv-checks/bin/checkov --config-file infra/checkov.yaml --directory build/templates)

.PHONY: format
format: .venv/.installed ## Format the code, and fix what lint can fix
	@$(python) -m ruff format .
	@$(python) -m ruff check --fix .

# Shows a command's output only when it fails.
define quietly
output=$$($(1) 2>&1) || { echo "$$output"; exit 1; }
endef

# --- Environments ---------------------------------------------------------------------------------

.PHONY: requirements
requirements: .venv/.installed ## Compile the pinned requirements; UPGRADE=1 takes the newest versions
	@compile() { echo "requirements: $$2"; $(uv) pip compile --quiet --universal --python-version 3.13 \
		--generate-hashes --no-header $(if $(UPGRADE),--upgrade) "$$1" --output-file "$$2" "$${@:3}"; }; \
	compile layers/common/requirements.in layers/common/requirements.txt; \
	compile requirements/dev.in requirements/dev.txt cli/pyproject.toml; \
	compile cli/pyproject.toml requirements/cli.txt --constraint requirements/dev.txt; \
	compile cli/pyproject.toml requirements/newsroom.txt --extra pictures --constraint requirements/dev.txt; \
	compile requirements/uv.in requirements/uv.txt --constraint requirements/dev.txt; \
	compile requirements/sam.in requirements/sam.txt; \
	compile requirements/emulator.in requirements/emulator.txt; \
	compile requirements/bench.in requirements/bench.txt; \
	compile requirements/checks.in requirements/checks.txt

.PHONY: tools
tools: .venv/.installed .venv-sam/.installed ## Install sam and a Python 3.13 for it, and print how to put them on the path
	@echo 'export PATH="$(CURDIR)/.venv/bin:$(CURDIR)/.venv-sam/bin:$$PATH"'

.PHONY: clean
clean: down ## Remove everything that make installed and built; the stack's data in .local/ stays
	@rm -rf .venv .venv-sam .venv-emulator .venv-bench .venv-checks .aws-sam build

# Finds Python 3.13 on the path or among pyenv's versions; otherwise uv or pyenv installs one.
define find_python
is_it() { "$$1" -c 'import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; }; \
find_it() { \
	for found in python3.13 python3 python "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13.*/bin/python; do \
		if is_it "$$found"; then echo "$$found"; return; fi; \
	done; \
	if command -v uv >/dev/null; then \
		uv python install --quiet 3.13 >&2 && uv python find --system 3.13 && return; \
	fi; \
	if command -v pyenv >/dev/null; then \
		pyenv install --skip-existing 3.13 >&2 && echo "$$(pyenv prefix 3.13)/bin/python" && return; \
	fi; \
	return 1; \
}; \
found=$$(find_it) || { \
	echo "Broadsheet needs Python 3.13, and there is none here that make could find or install."; \
	echo "Install it from https://www.python.org/downloads/ or as python3.13 and python3.13-venv of"; \
	echo "your system; or install uv (https://docs.astral.sh/uv/) or pyenv, which bring one; and run"; \
	echo "the same command again."; \
	exit 1; \
} >&2
endef

.venv/.installed: requirements/dev.txt layers/common/requirements.txt requirements/uv.txt cli/pyproject.toml
	@echo "Installing the tools into .venv ..."
	@$(find_python); \
	if ! is_it $(python); then rm -rf .venv; "$$found" -m venv .venv; fi; \
	$(python) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt; \
	$(uv) pip sync --quiet --python $(python) --require-hashes requirements/dev.txt; \
	$(uv) pip install --quiet --python $(python) --offline --no-deps --editable cli # .venv/bin/broadsheet
	@touch $@

.venv-%/.installed: requirements/%.txt .venv/.installed
	@echo "Installing $* into .venv-$* ..."
	@if ! .venv-$*/bin/python -c '' 2>/dev/null; then \
		$(uv) venv --quiet --clear --python $(python) .venv-$*; \
	fi; \
	$(uv) pip sync --quiet --python .venv-$*/bin/python --require-hashes requirements/$*.txt
	@touch $@

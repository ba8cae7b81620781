# `make run` shows it; `make test` proves it. The rest is below.

GO        ?= go
BIN       := bin
# -trimpath and no debug tables: the same bytes from every machine, and a
# smaller program starts faster. No cgo: one static file. With the commit in it,
# whatever GOFLAGS say.
GOBUILD   := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags '-s -w'
TOOL      := $(GO) tool -modfile=hack/tools/go.mod
# A number of executions: given a time, go test fails now and then with
# "context deadline exceeded" when it is over.
FUZZTIME  ?= 100000x
K8S       := $(BIN)/k8s
# A kubelet is for Linux.
KUBELET   := $(if $(filter linux,$(shell $(GO) env GOOS)),k8s.io/kubernetes/cmd/kubelet)

.PHONY: run
run: build ## start the local AWS and walk through it, live
	$(BIN)/eksauth local --data-dir .eksauth --tour $(RUN_FLAGS)

.PHONY: run-kubernetes
run-kubernetes: build controlplane ## the same, with a real Kubernetes control plane beside it
	$(BIN)/eksauth local --data-dir .eksauth --control-plane --tour $(RUN_FLAGS)

.PHONY: build
build: ## build both programs into bin/
	$(GOBUILD) -o $(BIN)/ ./cmd/...

# The platforms of the image, all on Linux.
PLATFORMS ?= amd64 arm64
IMAGE_USER ?= 65532:65532
PROGRAMS  := $(PLATFORMS:%=$(BIN)/linux-%/eksauthd)

.PHONY: FORCE
$(BIN)/linux-%/eksauthd: FORCE
	GOOS=linux GOARCH=$* $(GOBUILD) -o $@ ./cmd/eksauthd

.PHONY: image
image: $(PROGRAMS) ## build the container image of eksauthd into bin/image, without a container engine
	$(GO) run -C hack/image . --user $(IMAGE_USER) --out $(CURDIR)/$(BIN)/image $(PROGRAMS:%=$(CURDIR)/%)

.PHONY: sbom
sbom: $(PROGRAMS) ## write what is in it as CycloneDX into bin/sbom
	mkdir -p $(BIN)/sbom
# It asks for the licences of all modules. Go's library and this module are none that can
# be downloaded: nobody is asked for the latter, and it is not said of both.
	for program in $(PROGRAMS:$(BIN)/%/eksauthd=%); do \
	  GONOPROXY=github.com/eksauth/eksauth GONOSUMDB=github.com/eksauth/eksauth GOVCS='github.com/eksauth/eksauth:off,public:git|hg,private:all' \
	  $(GO) tool -modfile=hack/sbom/go.mod cyclonedx-gomod bin -json -noserial -notimestamp -std -licenses -output $(BIN)/sbom/eksauthd-$$program.cdx.json $(BIN)/$$program/eksauthd 2>$(BIN)/sbom/log; \
	  failed=$$?; grep -v -e 'module=[^ ]*github.com/eksauth/eksauth' -e 'module=[^ ]*std@' $(BIN)/sbom/log >&2; \
	  test $$failed = 0 || exit 1; \
	done; rm -f $(BIN)/sbom/log

.PHONY: controlplane
controlplane: $(K8S)/.built ## build kube-apiserver, kubectl, etcd and kubelet into bin/k8s (once; most of the 10 to 15 minutes that `make test` builds for)

$(K8S)/.built: hack/controlplane/go.mod hack/controlplane/go.sum
	@echo "building kube-apiserver, kubectl, etcd and kubelet: once, some minutes"
	mkdir -p $(K8S)
	version=$$($(GO) list -C hack/controlplane -m -f '{{.Version}}' k8s.io/kubernetes) && \
	major_minor=$${version#v} && major=$${major_minor%%.*} && rest=$${major_minor#*.} && minor=$${rest%%.*} && \
	CGO_ENABLED=0 $(GO) build -C hack/controlplane -trimpath -o $(CURDIR)/$(K8S)/ \
	  -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$version -X k8s.io/component-base/version.gitMajor=$$major -X k8s.io/component-base/version.gitMinor=$$minor" \
	  k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl $(KUBELET)
	CGO_ENABLED=0 $(GO) build -C hack/controlplane -trimpath -ldflags '-s -w' -o $(CURDIR)/$(K8S)/etcd go.etcd.io/etcd/server/v3
	touch $@

.PHONY: test
test: build controlplane $(BIN)/peers/oracle $(BIN)/peers/aws-iam-authenticator $(BIN)/helm $(BIN)/kubeadm ## all tests, on a real control plane
	@command -v aws >/dev/null || echo "NOTE: there is no aws CLI here, so the tests that drive it are skipped"
	@command -v containerd >/dev/null && command -v runc >/dev/null && test "$$(id -u)" = 0 || echo "NOTE: no containerd, no runc, or not root: the test of real pods is skipped"
	KUBEBUILDER_ASSETS=$(CURDIR)/$(K8S) EKSAUTH_REQUIRE=controlplane,kubectl,peers,helm,kubeadm,$(EKSAUTH_REQUIRE) $(GO) test -race -timeout 20m ./...
	$(GO) test -C hack/image ./...

.PHONY: check
check: ## format, vet, staticcheck, import directions, known vulnerabilities
	@mkdir -p $(BIN)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) vet -C hack/image ./...
	$(TOOL) staticcheck ./...
	$(GO) test ./internal/architecture
	@$(GO) mod tidy -diff
	@if $(TOOL) govulncheck ./... > $(BIN)/govulncheck.log 2>&1; then echo "govulncheck: none known"; \
	elif grep -q 'fetching vulnerabilities' $(BIN)/govulncheck.log; then echo "govulncheck: SKIPPED, its database cannot be reached from here"; \
	else cat $(BIN)/govulncheck.log; exit 1; fi

.PHONY: fuzz
fuzz: ## fuzz every target for FUZZTIME (100000x)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "fuzz $$pkg $$target $(FUZZTIME)"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg; \
	  done; \
	done

.PHONY: peers
peers: $(BIN)/peers/aws-iam-authenticator $(BIN)/peers/oracle ## build what tests and benchmarks compare with

$(BIN)/peers/aws-iam-authenticator: hack/peers/go.mod hack/peers/go.sum
	CGO_ENABLED=0 $(GO) build -C hack/peers -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ sigs.k8s.io/aws-iam-authenticator/cmd/aws-iam-authenticator

# The peer's own server, which answers the test's questions.
$(BIN)/peers/oracle: hack/peers/go.mod hack/peers/go.sum $(wildcard hack/peers/oracle/*.go)
	CGO_ENABLED=0 $(GO) build -C hack/peers -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ ./oracle

.PHONY: differential
differential: $(BIN)/peers/oracle ## a million mutated tokens to aws-iam-authenticator's verifier and to ours
	EKSAUTH_MUTATIONS=1000000 EKSAUTH_SEED=$${EKSAUTH_SEED:-1} EKSAUTH_REQUIRE=peers $(GO) test -count=1 -timeout 30m -v -run 'LikeThePeer$$' ./test/peers

# Helm renders and installs the chart in the tests.
$(BIN)/helm: hack/helm/go.mod hack/helm/go.sum
	CGO_ENABLED=0 $(GO) build -C hack/helm -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ helm.sh/helm/v4/cmd/helm

# kubeadm checks the configurations of the guides in the tests.
$(BIN)/kubeadm: hack/kubeadm/go.mod hack/kubeadm/go.sum
	version=$$($(GO) list -C hack/kubeadm -m -f '{{.Version}}' k8s.io/kubernetes) && \
	CGO_ENABLED=0 $(GO) build -C hack/kubeadm -trimpath -o $(CURDIR)/$@ \
	  -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$version" k8s.io/kubernetes/cmd/kubeadm

.PHONY: drills
drills: build controlplane ## what goes wrong in a cluster's life, at length: five minutes
	KUBEBUILDER_ASSETS=$(CURDIR)/$(K8S) EKSAUTH_REQUIRE=controlplane EKSAUTH_DRILL_PAUSE=5s EKSAUTH_DRILL_ROUNDS=10000 $(GO) test -count=1 -timeout 20m -v ./test/drills

.PHONY: bench
bench: build peers ## measure, side by side with the peers
	$(GO) run ./hack/bench
	$(GO) run ./hack/bench/admission
	$(GO) run ./hack/bench/local
	$(GO) run ./hack/bench/authenticator
	$(GO) run ./hack/bench/start
	$(GO) test -run '^$$' -bench . -benchmem $$($(GO) list ./... | grep -v /cmd/)

.PHONY: clean
clean: ## remove what was built; .eksauth, the local world, stays
	rm -rf $(BIN)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

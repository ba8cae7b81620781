package main

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/eksauth/eksauth/internal/serving"
)

// A state folder of seven years ago: its authority signs for two years more, and
// kube-apiserver is told of the one after it now.
func TestTheWebhookKubeconfigNamesTheNextAuthority(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	then := time.Now().AddDate(-7, 0, 0)
	k := &serving.Keeper{Dir: dir, Names: []string{"127.0.0.1"}, Now: func() time.Time { return then }, Log: slog.New(slog.DiscardHandler)}
	if err := k.Keep(); err != nil {
		t.Fatal(err)
	}
	d := start(t, adaOfDev, "--sts-endpoint", newSTS(t), "--state-dir", dir)
	config, err := clientcmd.LoadFromFile(d.kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Clusters {
		if n := strings.Count(string(c.CertificateAuthorityData), "BEGIN CERTIFICATE"); n != 2 {
			t.Errorf("%d authorities in the webhook kubeconfig, want 2", n)
		}
	}
	if code, review := d.review(t, mint(t, ada, "dev")); code != http.StatusOK || review.Status.User.Username != "ada" {
		t.Errorf("%d %+v", code, review.Status)
	}
}

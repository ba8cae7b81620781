package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// webhookClient is kube-apiserver's way to the authenticator: address and CA
// from the webhook's kubeconfig.
func webhookClient(t *testing.T, kubeconfig []byte) (address string, client *http.Client) {
	t.Helper()
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range config.Clusters {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(cluster.CertificateAuthorityData) {
			t.Fatal("the webhook's kubeconfig has no CA")
		}
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
		t.Cleanup(transport.CloseIdleConnections)
		return cluster.Server, &http.Client{Transport: transport, Timeout: 10 * time.Second}
	}
	t.Fatal("the webhook's kubeconfig has no cluster")
	return "", nil
}

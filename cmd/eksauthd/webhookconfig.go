package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/eksauth/eksauth/internal/atomicfile"
)

// webhookConfig is a kubeconfig for kube-apiserver's
// --authentication-token-webhook-config-file. It holds no secret.
func webhookConfig(url string, authority []byte) ([]byte, error) {
	return clientcmd.Write(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"eksauthd": {Server: url, CertificateAuthorityData: authority}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"kube-apiserver": {}},
		Contexts:       map[string]*clientcmdapi.Context{"webhook": {Cluster: "eksauthd", AuthInfo: "kube-apiserver"}},
		CurrentContext: "webhook",
	})
}

// writeWebhookConfig reports whether the file had to be changed. Everybody may
// read it: kube-apiserver often runs as another user.
func writeWebhookConfig(path, url string, authority []byte) (changed bool, err error) {
	text, err := webhookConfig(url, authority)
	if err != nil {
		return false, err
	}
	old, err := os.ReadFile(path)
	if err == nil && bytes.Equal(old, text) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, err
	}
	return true, atomicfile.Write(path, text, 0o644)
}

package main

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/eksauth/eksauth/internal/cli"
)

// clusterConfig is how to reach the cluster's API server: by a kubeconfig or a
// URL, or from within a pod. The purpose is why it is
// needed, for those who forgot.
func clusterConfig(path, master, purpose string) (*rest.Config, error) {
	if path == "" && master == "" {
		config, err := rest.InClusterConfig()
		if errors.Is(err, rest.ErrNotInCluster) {
			return nil, cli.Hint(fmt.Errorf("%s, and this is no pod of it", purpose), "give --kubeconfig")
		}
		if err == nil {
			config.UserAgent = userAgent()
		}
		return config, err
	}
	overrides := &clientcmd.ConfigOverrides{}
	overrides.ClusterInfo.Server = master
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{ExplicitPath: path}, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	config.UserAgent = userAgent()
	return config, nil
}

func userAgent() string { return "eksauthd/" + strings.ReplaceAll(cli.Version(), " ", "-") }

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/deploy"
	"github.com/eksauth/eksauth/internal/child"
	"github.com/eksauth/eksauth/internal/kubeconfig"
	"github.com/eksauth/eksauth/internal/pki"
)

const (
	podWebhookUser = "eksauth:webhook"
	rbacAPI        = "/apis/rbac.authorization.k8s.io/v1"
	admissionAPI   = "/apis/admissionregistration.k8s.io/v1"
)

// manifest is a Kubernetes object.
type manifest map[string]any

// startPodWebhook runs the pod identity webhook beside the API server, with the
// rights and the registration of deploy/webhook.yaml: only who it is and where it
// listens are others.
func (l *local) startPodWebhook(ctx context.Context, eksauthd string) error {
	dir := l.path("webhook")
	now := time.Now()
	ca, err := pki.LoadOrCreateCA(dir, "eksauth local webhook", now)
	if err != nil {
		return err
	}
	if _, err := ca.LoadOrIssue(dir, "tls", pki.Server("127.0.0.1", "localhost"), now); err != nil {
		return err
	}
	objects, err := podWebhookObjects()
	if err != nil {
		return err
	}
	if err := l.grantPodWebhook(ctx, objects); err != nil {
		return err
	}
	api := filepath.Join(dir, "apiserver.kubeconfig")
	if err := l.writeClientKubeconfig(api, podWebhookUser); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	l.kube.podWebhook, err = l.startDaemon(child.Command{
		Name: "eksauthd webhook", Path: eksauthd, Dir: dir, Log: filepath.Join(dir, "eksauthd.log"),
		Args: []string{
			"webhook", "--address", "127.0.0.1", "--port", fmt.Sprint(port), "--metrics-port", "-1", "--kubeconfig", api,
			"--tls-cert", filepath.Join(dir, "tls.crt"), "--tls-key", filepath.Join(dir, "tls.key"),
			"--aws-default-region", l.env.Region, "--account-id", l.cluster.AccountID, "--partition", l.cluster.Partition,
		},
	})
	if err != nil {
		return err
	}
	if err := l.awaitReady(ctx, l.kube.podWebhook, port, ca.PEM()); err != nil {
		return err
	}
	registration := objects["MutatingWebhookConfiguration"]
	if err := pointAt(registration, fmt.Sprintf("https://127.0.0.1:%d/mutate", port), ca.PEM()); err != nil {
		return err
	}
	// The whole: the chart, installed here for a try, leaves a Service beside the URL.
	return l.kube.plane.Recreate(ctx, admissionAPI+"/mutatingwebhookconfigurations", objectName(registration), registration)
}

// podWebhookObjects are the objects of the manifest, by their kinds.
func podWebhookObjects() (map[string]manifest, error) {
	list, err := readManifest(deploy.Webhook)
	if err != nil {
		return nil, fmt.Errorf("deploy/webhook.yaml: %w", err)
	}
	objects := map[string]manifest{}
	for _, object := range list {
		kind, _ := object["kind"].(string)
		objects[kind] = object
	}
	return objects, nil
}

// readManifest reads the objects of a manifest, in order.
func readManifest(text []byte) ([]manifest, error) {
	var objects []manifest
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var object manifest
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}

// grantPodWebhook gives the webhook's user what the manifest gives its service
// account in all namespaces.
func (l *local) grantPodWebhook(ctx context.Context, objects map[string]manifest) error {
	role, binding := objects["ClusterRole"], objects["ClusterRoleBinding"]
	binding["subjects"] = []manifest{{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": podWebhookUser}}
	return errors.Join(
		l.kube.plane.Apply(ctx, rbacAPI+"/clusterroles/"+objectName(role), role),
		l.kube.plane.Apply(ctx, rbacAPI+"/clusterrolebindings/"+objectName(binding), binding),
	)
}

func objectName(object manifest) string {
	metadata, _ := object["metadata"].(manifest)
	s, _ := metadata["name"].(string)
	return s
}

func objectNamespace(object manifest) string {
	metadata, _ := object["metadata"].(manifest)
	s, _ := metadata["namespace"].(string)
	return s
}

// pointAt makes a registration lead to a URL: no Service leads out of a cluster
// without nodes.
func pointAt(registration manifest, url string, ca []byte) error {
	webhooks, _ := registration["webhooks"].([]any)
	for _, item := range webhooks {
		webhook, ok := item.(manifest)
		if !ok {
			return errors.New("deploy/webhook.yaml: a webhook is no object")
		}
		webhook["clientConfig"] = manifest{"url": url, "caBundle": base64.StdEncoding.EncodeToString(ca)}
	}
	return nil
}

// writeClientKubeconfig writes how a daemon reaches the API server as user.
func (l *local) writeClientKubeconfig(path, user string) error {
	cert, key, err := l.kube.plane.IssueClient(user)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return kubeconfig.WriteFile(path, kubeconfig.Entry{
		Context: user, Cluster: l.cluster.Name, User: user,
		Server: l.kube.plane.URL(), CA: l.kube.plane.CACert(),
		ClientCert: &kubeconfig.ClientCert{Cert: cert, Key: key}, Current: true,
	})
}

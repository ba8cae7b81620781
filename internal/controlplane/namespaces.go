package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// rewatchInterval keeps a watch that fails at once from being repeated without
// a pause.
const rewatchInterval = time.Second

// manifest is a Kubernetes object; its keys are the API's.
type manifest = map[string]any

// Create creates object in the collection at path, such as
// "/api/v1/namespaces/kube-system/configmaps", as the administrator. The object
// is what encoding/json makes of it. One of that name that is there already is
// left as it is.
func (c *ControlPlane) Create(ctx context.Context, path string, object any) error {
	return c.api.create(ctx, path, object)
}

// Replace makes object the whole of what is at the collection's path and name:
// what the old one had besides is gone. It is created if it is not there.
func (c *ControlPlane) Replace(ctx context.Context, collection, name string, object any) error {
	err := c.api.do(ctx, http.MethodPut, collection+"/"+name, "application/json", object)
	var status *statusError
	if errors.As(err, &status) && status.Reason == "NotFound" {
		return c.api.create(ctx, collection, object)
	}
	return err
}

// Recreate deletes the object of the collection's path and name, if it is there, and
// creates it: for those that cannot be replaced without their version.
func (c *ControlPlane) Recreate(ctx context.Context, collection, name string, object any) error {
	err := c.api.do(ctx, http.MethodDelete, collection+"/"+name, "", nil)
	var status *statusError
	if err != nil && !(errors.As(err, &status) && status.Reason == "NotFound") {
		return err
	}
	return c.api.create(ctx, collection, object)
}

// Apply creates the object at path, or changes the fields of it that object has
// (server-side apply, with force), as the administrator. The path ends with the
// object's name.
func (c *ControlPlane) Apply(ctx context.Context, path string, object any) error {
	return c.api.apply(ctx, path, object)
}

// furnish gives a namespace what kube-controller-manager would: without the
// service account no pod that names none is admitted, and without the ConfigMap
// no pod that mounts a token can start.
func (c *ControlPlane) furnish(ctx context.Context, namespace string) error {
	base := "/api/v1/namespaces/" + namespace
	err := c.Create(ctx, base+"/serviceaccounts", manifest{
		"apiVersion": "v1", "kind": "ServiceAccount",
		"metadata": manifest{"name": "default"},
	})
	if err != nil {
		return err
	}
	const rootCA = "kube-root-ca.crt"
	return c.Apply(ctx, base+"/configmaps/"+rootCA, manifest{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": manifest{"name": rootCA},
		"data":     manifest{"ca.crt": string(c.CACert())},
	})
}

// startKeeper waits for the namespaces that the API server makes itself, a
// moment after it is ready, and then furnishes each namespace that there is and
// will be.
func (c *ControlPlane) startKeeper(ctx context.Context) error {
	for _, namespace := range []string{"default", "kube-system"} {
		furnish := func(ctx context.Context) error { return c.furnish(ctx, namespace) }
		if err := c.await(ctx, "namespace "+namespace, furnish); err != nil {
			return err
		}
	}
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stopKeeper = stop
	c.keeper.Go(func() {
		for {
			err := c.watchNamespaces(keeping)
			if err != nil && keeping.Err() == nil {
				c.config.Log.Debug("namespaces are watched anew", "because", err)
			}
			select {
			case <-keeping.Done():
				return
			case <-c.done:
				return
			case <-time.After(rewatchInterval):
			}
		}
	})
	return nil
}

// watchNamespaces furnishes all namespaces, and those to come until the API
// server ends the watch, which it does after half an hour or so.
func (c *ControlPlane) watchNamespaces(ctx context.Context) error {
	// Without a resourceVersion a watch begins with an ADDED for each that exists.
	resp, err := c.api.send(ctx, http.MethodGet, "/api/v1/namespaces?watch=true", "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	events := json.NewDecoder(resp.Body)
	for {
		var event struct {
			Type   string
			Object struct {
				Metadata struct{ Name string }
				Status   struct{ Phase string }
			}
		}
		if err := events.Decode(&event); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if event.Type != "ADDED" || event.Object.Status.Phase == "Terminating" {
			continue
		}
		if err := c.furnish(ctx, event.Object.Metadata.Name); err != nil {
			return err
		}
	}
}

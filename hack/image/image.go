package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// build is the image of one program: it, and the authorities that it trusts.
func build(p program, user string) (v1.Image, error) {
	roots, err := layer(rootsFile, 0o644, authorities())
	if err != nil {
		return nil, err
	}
	binary, err := layer(programFile, 0o755, p.data)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	// The authorities first: they change less often.
	image, err = mutate.Append(image,
		mutate.Addendum{Layer: roots, History: history(p, "Mozilla's certificate authorities")},
		mutate.Addendum{Layer: binary, History: history(p, "eksauthd")})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = p.platform.OS, p.platform.Architecture, v1.Time{Time: p.time}
	config.Config = v1.Config{Entrypoint: []string{"/" + programFile}, User: user, WorkingDir: "/", Labels: labels(p)}
	return mutate.ConfigFile(image, config)
}

func history(p program, what string) v1.History {
	return v1.History{Created: v1.Time{Time: p.time}, CreatedBy: "hack/image", Comment: what}
}

// labels are those of the OCI image specification.
func labels(p program) map[string]string {
	const prefix = "org.opencontainers.image."
	l := map[string]string{
		prefix + "title":       "eksauthd",
		prefix + "description": "EKS authentication for Kubernetes clusters",
		prefix + "source":      "https://github.com/eksauth/eksauth",
		prefix + "licenses":    "Apache-2.0",
		prefix + "version":     p.version,
		prefix + "created":     p.time.Format(time.RFC3339),
	}
	if p.revision != "" {
		l[prefix+"revision"] = p.revision
	}
	return l
}

// write leaves an OCI layout in dir, and beside it a tar file for each platform. The
// digest is that of the index, which has the images of all platforms.
func write(dir, tag, user string, programs []program) (v1.Hash, error) {
	reference, err := name.ParseReference(tag)
	if err != nil {
		return v1.Hash{}, err
	}
	if err := clear(dir); err != nil {
		return v1.Hash{}, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range programs {
		image, err := build(p, user)
		if err != nil {
			return v1.Hash{}, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &p.platform}})
		file := fmt.Sprintf("%s-%s-%s.tar", filepath.Clean(dir), p.platform.OS, p.platform.Architecture)
		if err := tarball.WriteToFile(file, reference, image); err != nil {
			return v1.Hash{}, err
		}
	}
	if _, err := layout.Write(dir, index); err != nil {
		return v1.Hash{}, err
	}
	return index.Digest()
}

// clear removes the layout that was in dir, and refuses to remove anything else.
func clear(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
		return fmt.Errorf("%s has something else in it than an image: %w", dir, err)
	}
	return os.RemoveAll(dir)
}

package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"io"
	"path"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	programFile = "eksauthd"
	// rootsFile is the first place where Go looks.
	rootsFile = "etc/ssl/certs/ca-certificates.crt"
)

// authorities are Mozilla's, as the Go project keeps them, in PEM. Those that are
// trusted for some names or until some date only are left out: PEM cannot say that.
func authorities() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // it cannot fail
		}
	}
	return out.Bytes()
}

// layer is one file, owned by root, with its folders. Nothing in it depends on who
// builds it, or when.
func layer(name string, mode int64, data []byte) (v1.Layer, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	header := func(h tar.Header) error {
		h.ModTime, h.Format = time.Unix(0, 0), tar.FormatUSTAR
		return w.WriteHeader(&h)
	}
	for i, c := range name {
		if c == '/' {
			if err := header(tar.Header{Typeflag: tar.TypeDir, Name: name[:i+1], Mode: 0o755}); err != nil {
				return nil, err
			}
		}
	}
	if err := header(tar.Header{Typeflag: tar.TypeReg, Name: path.Clean(strings.TrimPrefix(name, "/")), Mode: mode, Size: int64(len(data))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}

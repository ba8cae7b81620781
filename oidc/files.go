package oidc

import (
	"os"
	"path/filepath"

	"github.com/eksauth/eksauth/internal/atomicfile"
)

// WriteFiles writes the two documents below dir, at the paths that relying
// parties ask for, ready for a bucket or a web server that serves dir as the
// issuer's URL. The names have no extension: whoever uploads them must say
// [DiscoveryType] and [JWKSType]. Each file is replaced as a whole, the keys
// first.
func (i *Issuer) WriteFiles(dir string) error {
	p := i.published.Load()
	for _, f := range []struct {
		path string
		data []byte
	}{{JWKSPath, p.jwks}, {DiscoveryPath, p.discovery}} {
		path := filepath.Join(dir, filepath.FromSlash(f.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := atomicfile.Write(path, f.data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

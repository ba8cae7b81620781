//go:build linux

package node

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
)

// entry is a file of a tar archive.
type entry struct {
	name string
	mode int64
	data []byte
}

// writeImage writes a container image as `docker save` would: its only file is
// the program, statically linked, and that is what it runs.
func writeImage(w io.Writer, name, program string) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	if err := writeTar(&layer, entry{"program", 0o755, data}); err != nil {
		return err
	}
	type object = map[string]any
	config, err := json.Marshal(object{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": object{"Entrypoint": []string{"/program"}},
		"rootfs": object{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer.Bytes()))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]object{{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	return writeTar(w,
		entry{"config.json", 0o644, config},
		entry{"layer.tar", 0o644, layer.Bytes()},
		entry{"manifest.json", 0o644, manifest})
}

func writeTar(w io.Writer, entries ...entry) error {
	archive := tar.NewWriter(w)
	for _, e := range entries {
		if err := archive.WriteHeader(&tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.data))}); err != nil {
			return err
		}
		if _, err := archive.Write(e.data); err != nil {
			return err
		}
	}
	return archive.Close()
}

package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const mainPackage = "github.com/eksauth/eksauth/cmd/eksauthd"

// program is an eksauthd for one platform, and what the Go tool recorded in it.
type program struct {
	data              []byte
	platform          v1.Platform
	version, revision string
	time              time.Time // of the commit; the Unix epoch if it is not known
}

// readProgram refuses what would not run in an image that has nothing else in it.
func readProgram(path string) (program, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return program{}, err
	}
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		return program{}, fmt.Errorf("%s: %w", path, err)
	}
	if info.Path != mainPackage {
		return program{}, fmt.Errorf("%s is %s, not eksauthd", path, info.Path)
	}
	if err := static(data); err != nil {
		return program{}, fmt.Errorf("%s: %w", path, err)
	}
	p := program{data: data, version: info.Main.Version, time: time.Unix(0, 0).UTC()}
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS":
			p.platform.OS = s.Value
		case "GOARCH":
			p.platform.Architecture = s.Value
		case "vcs.revision":
			p.revision = s.Value
		case "vcs.time":
			if p.time, err = time.Parse(time.RFC3339, s.Value); err != nil {
				return program{}, fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return p, nil
}

// static refuses a program that needs a dynamic linker, or another system than Linux.
func static(data []byte) error {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("not a program for Linux: %w", err)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("not static: build it with CGO_ENABLED=0")
		}
	}
	return nil
}

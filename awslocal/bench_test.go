package awslocal

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eksauth/eksauth/arn"
)

// BenchmarkDirectory is what a request costs in the store.
func BenchmarkDirectory(b *testing.B) {
	store := open(b, b.TempDir())
	w, err := DefaultWorld()
	if err != nil {
		b.Fatal(err)
	}
	apply(b, store, w)
	id := credentialsOf(b, store, adaARN).AccessKeyID
	role, err := arn.ParsePrincipal(roleARN)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("AccessKey", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := store.AccessKey(b.Context(), id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Role", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := store.Role(b.Context(), role); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStart is what stands between a process and its first answer: with a
// new directory, and with one that is there.
func BenchmarkStart(b *testing.B) {
	text := DefaultWorldYAML()
	for _, roles := range []int{0, 10_000} {
		name, doc := "default", text
		if roles > 0 {
			var err error
			if doc, err = bigWorld(roles).YAML(); err != nil {
				b.Fatal(err)
			}
			name = fmt.Sprintf("%d roles", roles)
		}
		b.Run(name+"/new", func(b *testing.B) {
			var n atomic.Int64
			root := b.TempDir()
			for b.Loop() {
				start(b, fmt.Sprintf("%s/%d", root, n.Add(1)), doc)
			}
		})
		b.Run(name+"/again", func(b *testing.B) {
			dir := b.TempDir()
			start(b, dir, doc)
			for b.Loop() {
				start(b, dir, doc)
			}
		})
	}
}

func start(b *testing.B, dir string, doc []byte) {
	w, err := ParseWorld("world", doc)
	if err != nil {
		b.Fatal(err)
	}
	s, err := Open(dir, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	apply(b, s, w)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWrite is one durable change in a store of some size.
func BenchmarkWrite(b *testing.B) {
	store := open(b, b.TempDir())
	apply(b, store, bigWorld(1000))
	w := world(b, store)
	w.Accounts[0].Clusters = []Cluster{{Name: "dev", Region: region}}
	apply(b, store, w)
	for i := 0; b.Loop(); i++ {
		if err := store.SetClusterEndpoint("dev", fmt.Sprintf("https://127.0.0.1:%d", i%60000+1), ""); err != nil {
			b.Fatal(err)
		}
	}
}

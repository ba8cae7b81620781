package awslocal

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/sigv4"
)

// BenchmarkGetCallerIdentity is the whole of it: HTTP on loopback, clients that
// keep their connections, signatures verified, key and user read from the
// store. The clients run on the same cores; they sign one request in advance
// and send its bytes, so that it is the service that is measured.
func BenchmarkGetCallerIdentity(b *testing.B) {
	store := open(b, b.TempDir())
	w, err := DefaultWorld()
	if err != nil {
		b.Fatal(err)
	}
	apply(b, store, w)
	ada := credentialsOf(b, store, adaARN)
	server := &http.Server{Handler: NewServer(Config{Store: store, Now: time.Now, Log: discard()})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go server.Serve(listener)
	defer server.Close()
	address := listener.Addr().String()
	session := mustAssume(b, &service{store: store, url: "http://" + address}, ada, roleARN)
	for name, c := range map[string]sigv4.Credentials{"user": ada, "session": session} {
		b.Run(name, func(b *testing.B) {
			request := wire(b, address, c)
			b.SetParallelism(8)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) { exchange(b, pb, address, request) })
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}

// wire is a signed request as it goes over the network.
func wire(b *testing.B, address string, c sigv4.Credentials) []byte {
	const body = "Action=GetCallerIdentity&Version=2011-06-15"
	r, err := http.NewRequest(http.MethodPost, "http://"+address+"/", bytes.NewReader([]byte(body)))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), c, region, "sts", time.Now()); err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.Write(&out); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// exchange sends the request on a connection of its own and checks each answer.
func exchange(b *testing.B, pb *testing.PB, address string, request []byte) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	buffer := make([]byte, 4096)
	for pb.Next() {
		if _, err := conn.Write(request); err != nil {
			b.Error(err)
			return
		}
		n := 0
		for !bytes.Contains(buffer[:n], []byte("</GetCallerIdentityResponse>")) {
			m, err := conn.Read(buffer[n:])
			if err != nil {
				b.Errorf("%v after %q", err, buffer[:n])
				return
			}
			n += m
		}
		if !bytes.HasPrefix(buffer, []byte("HTTP/1.1 200 ")) {
			b.Errorf("%s", buffer[:n])
			return
		}
	}
}

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

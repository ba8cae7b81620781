package server_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awslocal/server"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

// BenchmarkGetCallerIdentity is the whole of it: HTTP on loopback, clients that
// keep their connections, signatures verified, key and user read from the
// store. The clients run on the same cores; they sign one request in advance
// and send its bytes, so that it is the service that is measured.
func BenchmarkGetCallerIdentity(b *testing.B) {
	store := localtest.Open(b, b.TempDir())
	w, err := awslocal.DefaultWorld()
	if err != nil {
		b.Fatal(err)
	}
	localtest.Apply(b, store, w)
	ada := localtest.CredentialsOf(b, store, localtest.AdaARN)
	httpServer := &http.Server{Handler: server.New(server.Config{Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler)})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go httpServer.Serve(listener)
	defer httpServer.Close()
	address := listener.Addr().String()
	session := mustAssume(b, &localtest.Service{Store: store, URL: "http://" + address}, ada, localtest.RoleARN)
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
	if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), c, localtest.Region, "sts", time.Now()); err != nil {
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

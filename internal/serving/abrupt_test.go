package serving

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestServeInAProcess is not a test but the process of the one below.
func TestServeInAProcess(t *testing.T) {
	if os.Getenv("SERVE_IN_A_PROCESS") == "" {
		t.Skip("only for TestAKilledServerResetsItsConnections")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("at %s\n", l.Addr())
	never := func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush() // somebody is being answered
		<-r.Context().Done()
	}
	Server{Handler: http.HandlerFunc(never), Log: slog.New(slog.DiscardHandler)}.Serve(context.Background(), l)
}

func TestAKilledServerResetsItsConnections(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestServeInAProcess$")
	cmd.Env = append(os.Environ(), "SERVE_IN_A_PROCESS=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + strings.TrimSpace(strings.TrimPrefix(line, "at ")))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("its client sees %v", err)
	}
}

// A connection that is closed in order still says all that it had to say.
func TestClosingInOrderLosesNothing(t *testing.T) {
	t.Parallel()
	const answer = 8 << 20 // more than the kernel's buffers
	r := serve(t, Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, strings.Repeat("x", answer))
	})})
	resp, err := http.Get("http://" + r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != answer {
		t.Errorf("%d bytes, %v", n, err)
	}
}

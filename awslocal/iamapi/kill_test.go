package iamapi_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/awslocal/server"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

// killDirVariable makes the test binary the process that is killed.
const killDirVariable = "EKSAUTH_TEST_KILL_IAM_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDirVariable); dir != "" {
		fmt.Fprintln(os.Stderr, serveUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serveUntilKilled(dir string) error {
	store, err := awslocal.Open(dir, time.Now)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String() + "/")
	return http.Serve(listener, server.New(server.Config{Store: store, Now: time.Now, Log: slog.New(slog.DiscardHandler)}))
}

// A local AWS is killed again and again in the middle of concurrent writes, a
// thousand and more in all. What it had answered is there, and all that is there
// is whole.
func TestKillLosesNoAnsweredWrite(t *testing.T) {
	t.Parallel()
	wanted := 1000
	if testing.Short() {
		wanted = 100
	}
	dir := t.TempDir()
	store := localtest.Open(t, dir)
	world, err := awslocal.DefaultWorld()
	if err != nil {
		t.Fatal(err)
	}
	localtest.Apply(t, store, world)
	credentials := localtest.CredentialsOf(t, store, administrator)
	store.Close()

	var answered []string
	for round := 0; len(answered) < wanted; round++ {
		answered = append(answered, writeAndKill(t, dir, credentials, round)...)
		store, err := awslocal.Open(dir, time.Now)
		if err != nil {
			t.Fatalf("after round %d: %v", round, err)
		}
		there := map[string]bool{}
		for _, u := range localtest.World(t, store).Accounts[0].Users {
			there[u.Name] = true
			if strings.HasPrefix(u.Name, "user-") && (len(u.Tags) != 1 || u.ID == "") {
				t.Errorf("half a user: %+v", u)
			}
		}
		for _, name := range answered {
			if !there[name] {
				t.Errorf("%s was answered and is lost", name)
			}
		}
		store.Close()
	}
	t.Logf("%d writes were answered, none lost", len(answered))
}

// writeAndKill has several clients make users until the process is killed, and
// returns the names that were answered.
func writeAndKill(t *testing.T, dir string, c sigv4.Credentials, round int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killDirVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	const clients, most = 8, 100
	var mu sync.Mutex
	var answered []string
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for n := range most {
				name := fmt.Sprintf("user-%d-%d-%d", round, client, n)
				if !createUser(strings.TrimSpace(address), c, name) {
					return
				}
				mu.Lock()
				answered = append(answered, name)
				if len(answered) == 40+round*13%160 { // in the middle of others' writes
					cmd.Process.Kill()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return answered
}

// createUser reports whether the answer was read.
func createUser(address string, c sigv4.Credentials, name string) bool {
	body := url.Values{"Action": {"CreateUser"}, "Version": {"2010-05-08"}, "UserName": {name}, "Tags.member.1.Key": {"a"}, "Tags.member.1.Value": {"b"}}.Encode()
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return false
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := sigv4.Sign(r, sigv4.PayloadHash([]byte(body)), c, localtest.Region, "iam", time.Now()); err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}
